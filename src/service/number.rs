//! Numbers and names that carry their meaning in their type: parsed once, at the edge of a face.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Why a text is not the number that it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not in 1–4094.
    #[error("'{0}' is no VLAN id: 1 to 4094")]
    Vlan(String),
    /// Not a route distinguisher or route target.
    #[error("'{0}' is no {1} in the notation of RFC 8294: 0:AS:N, 1:IPv4:N or 2:AS4:N")]
    Extended(String, &'static str),
    /// Valid, but without a notation that elements understand.
    #[error("the {1} '{0}' cannot be written on elements: {2}")]
    Unwritable(String, &'static str, &'static str),
}

/// An 802.1Q VLAN id, 1–4094.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VlanId(u16);

impl VlanId {
    /// The number.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for VlanId {
    type Error = NumberError;

    fn try_from(number: u16) -> Result<Self, NumberError> {
        if (1..=4094).contains(&number) { Ok(Self(number)) } else { Err(NumberError::Vlan(number.to_string())) }
    }
}

impl FromStr for VlanId {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let number: u16 = text.parse().map_err(|_| NumberError::Vlan(text.into()))?;
        Self::try_from(number)
    }
}

/// What stands before the last colon of a route distinguisher or route target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Administrator {
    /// An autonomous system number; above 65535 it is written with four octets.
    As(u32),
    /// An IPv4 address.
    Address(Ipv4Addr),
}

/// A route distinguisher, printed as elements write it: `65000:1`, `192.0.2.1:5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteDistinguisher {
    /// Who assigns the number.
    pub administrator: Administrator,
    /// The assigned number.
    pub number: u32,
}

/// A route target, printed as elements write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetValue {
    /// Who assigns the number.
    pub administrator: Administrator,
    /// The assigned number.
    pub number: u32,
}

impl FromStr for RouteDistinguisher {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let (administrator, number) = extended(text, "route distinguisher")?;
        Ok(Self { administrator, number })
    }
}

impl FromStr for TargetValue {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let (administrator, number) = extended(text, "route target")?;
        Ok(Self { administrator, number })
    }
}

impl fmt::Display for RouteDistinguisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.administrator, self.number)
    }
}

impl fmt::Display for TargetValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.administrator, self.number)
    }
}

impl fmt::Display for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Administrator::As(number) => write!(f, "{number}"),
            Administrator::Address(address) => write!(f, "{address}"),
        }
    }
}

/// Reads the notation of RFC 8294 §3 (`type:administrator:number`).
fn extended(text: &str, what: &'static str) -> Result<(Administrator, u32), NumberError> {
    let bad = || NumberError::Extended(text.into(), what);
    let unwritable = |why| NumberError::Unwritable(text.into(), what, why);
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        ["0", administrator, number] => {
            let administrator: u16 = administrator.parse().map_err(|_| bad())?;
            Ok((Administrator::As(administrator.into()), number.parse().map_err(|_| bad())?))
        }
        ["1", administrator, number] => {
            let number: u16 = number.parse().map_err(|_| bad())?;
            Ok((Administrator::Address(administrator.parse().map_err(|_| bad())?), number.into()))
        }
        ["2", administrator, number] => {
            let administrator: u32 = administrator.parse().map_err(|_| bad())?;
            let number: u16 = number.parse().map_err(|_| bad())?;
            if administrator <= u32::from(u16::MAX) {
                // `65000:1` on an element means type 0: other octets on the wire, so the sites would not meet.
                return Err(unwritable("a four-octet AS up to 65535 looks like a two-octet one there, use 0:AS:N"));
            }
            Ok((Administrator::As(administrator), number.into()))
        }
        // The type admits raw octets as TYPE:HEX; `6500:1` is one of them and not AS 6500.
        [_, _] if !text.starts_with(':') => Err(unwritable("put the type in front: 0:AS:N, 1:IPv4:N or 2:AS4:N")),
        ["6", ..] if parts.len() == 7 => Err(unwritable("a MAC address has no place there")),
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_is_1_to_4094() {
        for bad in ["0", "4095", "-1", "x", "65537", ""] {
            assert!(bad.parse::<VlanId>().is_err(), "{bad}");
        }
        assert_eq!("4094".parse::<VlanId>().unwrap().number(), 4094);
    }

    #[test]
    fn the_type_in_front_is_dropped_for_elements_and_never_guessed() {
        let cli = |text: &str| text.parse::<RouteDistinguisher>().map(|rd| rd.to_string());
        assert_eq!(cli("0:65000:4294967295").unwrap(), "65000:4294967295");
        assert_eq!(cli("1:192.0.2.1:5").unwrap(), "192.0.2.1:5");
        assert_eq!(cli("2:4200000000:7").unwrap(), "4200000000:7");
        for bad in
            ["0:65550:1", "0:65000:4294967296", "1:192.0.2.1:65536", "2:65000:1", "65000:1", "6500:1", "", "0:1:", ":"]
        {
            assert!(cli(bad).is_err(), "{bad}");
        }
        assert!("6:00:11:22:33:44:55".parse::<TargetValue>().unwrap_err().to_string().contains("MAC"));
    }
}

//! From compiled types to [`TypeSpec`].
#![allow(unsafe_code)]

use super::set::text;
use crate::tree::TypeSpec;
use crate::tree::schema::Canonical;
use std::collections::{BTreeSet, HashMap};
use std::ffi::c_char;
use std::sync::Arc;
use yang5::ffi;
use yang5::ffi::LY_DATA_TYPE as Base;
use yang5::schema::SchemaNode;

/// Reads types; remembers those that it has read, for libyang shares equal ones, and the identities of each base.
#[derive(Default)]
pub(super) struct Types {
    known: HashMap<usize, Arc<TypeSpec>>,
    identities: HashMap<Vec<usize>, Vec<String>>,
}

/// Leafrefs and unions nested deeper than this are read as text; libyang refuses cycles.
const MAX_DEPTH: usize = 32;

impl Types {
    /// The type of a leaf or leaf-list.
    pub(super) fn of(&mut self, node: &SchemaNode<'_>) -> Option<Arc<TypeSpec>> {
        let ty = node.leaf_type()?.as_raw();
        if let Some(known) = self.known.get(&(ty as usize)) {
            return Some(known.clone());
        }
        // SAFETY: a compiled leaf has a compiled type, which lives as long as its context.
        let read = Arc::new(unsafe { self.read(ty, 0) });
        self.known.insert(ty as usize, read.clone());
        Some(read)
    }

    /// # Safety
    /// `ty` is a compiled type of a living context; its base type tells which larger structure it is the beginning of.
    unsafe fn read(&mut self, ty: *const ffi::lysc_type, depth: usize) -> TypeSpec {
        if depth > MAX_DEPTH || ty.is_null() {
            return TypeSpec::Text(Canonical::Exact);
        }
        let integer = |bits, signed| TypeSpec::Integer { bits, signed };
        // SAFETY: by the contract of this function, in this and all blocks below.
        match unsafe { (*ty).basetype } {
            Base::LY_TYPE_UINT8 => integer(8, false),
            Base::LY_TYPE_UINT16 => integer(16, false),
            Base::LY_TYPE_UINT32 => integer(32, false),
            Base::LY_TYPE_UINT64 => integer(64, false),
            Base::LY_TYPE_INT8 => integer(8, true),
            Base::LY_TYPE_INT16 => integer(16, true),
            Base::LY_TYPE_INT32 => integer(32, true),
            Base::LY_TYPE_INT64 => integer(64, true),
            Base::LY_TYPE_DEC64 => {
                TypeSpec::Decimal64 { digits: unsafe { (*ty.cast::<ffi::lysc_type_dec>()).fraction_digits } }
            }
            Base::LY_TYPE_BOOL => TypeSpec::Bool,
            Base::LY_TYPE_EMPTY => TypeSpec::Empty,
            Base::LY_TYPE_BINARY => TypeSpec::Binary,
            Base::LY_TYPE_INST => TypeSpec::InstanceIdentifier,
            Base::LY_TYPE_ENUM => {
                let items = unsafe { (*ty.cast::<ffi::lysc_type_enum>()).enums };
                TypeSpec::Enumeration(unsafe { names(items) })
            }
            Base::LY_TYPE_BITS => {
                let items = unsafe { (*ty.cast::<ffi::lysc_type_bits>()).bits };
                TypeSpec::Bits(unsafe { names(items) })
            }
            Base::LY_TYPE_IDENT => {
                let bases = unsafe { array((*ty.cast::<ffi::lysc_type_identityref>()).bases) };
                TypeSpec::Identity { identities: unsafe { self.derived(bases) } }
            }
            Base::LY_TYPE_LEAFREF => unsafe { self.read((*ty.cast::<ffi::lysc_type_leafref>()).realtype, depth + 1) },
            Base::LY_TYPE_UNION => {
                let mut read = unsafe { self.members(ty, depth) };
                // A string with a pattern would take everything, for patterns are not in the index. All string kinds have
                // the same canonical text and JSON form, so trying such a member last changes no value.
                read.sort_by_key(|(patterned, _)| *patterned);
                let mut members: Vec<TypeSpec> = read.into_iter().map(|(_, spec)| spec).collect();
                members.dedup();
                match members.len() {
                    1 => members.remove(0),
                    _ => TypeSpec::Union(members),
                }
            }
            _ => TypeSpec::Text(unsafe { canonical(ty) }),
        }
    }

    /// The members of a union, those of unions in it included, in order; with each whether it is a string with a pattern.
    ///
    /// # Safety
    /// `ty` is a compiled union of a living context.
    unsafe fn members(&mut self, ty: *const ffi::lysc_type, depth: usize) -> Vec<(bool, TypeSpec)> {
        let mut read = Vec::new();
        // SAFETY: by the contract of this function; a leafref in a union knows the type that it stands for.
        for member in unsafe { array((*ty.cast::<ffi::lysc_type_union>()).types) } {
            let mut member: *const ffi::lysc_type = *member;
            let mut steps = 0;
            while unsafe { (*member).basetype } == Base::LY_TYPE_LEAFREF && depth + steps < MAX_DEPTH {
                member = unsafe { (*member.cast::<ffi::lysc_type_leafref>()).realtype };
                steps += 1;
            }
            if unsafe { (*member).basetype } == Base::LY_TYPE_UNION && depth < MAX_DEPTH {
                read.extend(unsafe { self.members(member, depth + 1) });
                continue;
            }
            let (patterned, within) = unsafe { (patterned(member), within(member)) };
            let spec = unsafe { self.read(member, depth + 1) };
            let spec = if within.is_empty() { spec } else { TypeSpec::Restricted { of: Box::new(spec), within } };
            read.push((patterned, spec));
        }
        read
    }

    /// The identities that derive from all of these bases, in modules that are implemented.
    ///
    /// # Safety
    /// As for `read`.
    unsafe fn derived(&mut self, bases: &[*mut ffi::lysc_ident]) -> Vec<String> {
        let key: Vec<usize> = bases.iter().map(|base| *base as usize).collect();
        if let Some(known) = self.identities.get(&key) {
            return known.clone();
        }
        let mut common: Option<BTreeSet<String>> = None;
        for base in bases {
            let mut found = BTreeSet::new();
            let (mut waiting, mut seen) = (vec![*base], BTreeSet::new());
            while let Some(identity) = waiting.pop() {
                for child in unsafe { array((*identity).derived) } {
                    if seen.insert(*child as usize) {
                        waiting.push(*child);
                        let module = unsafe { (**child).module };
                        let (name, of) = unsafe { (text((**child).name), text((*module).name)) };
                        if let (Some(name), Some(of), true) = (name, of, unsafe { (*module).implemented } != 0) {
                            found.insert(format!("{of}:{name}"));
                        }
                    }
                }
            }
            common = Some(match common {
                Some(common) => common.intersection(&found).cloned().collect(),
                None => found,
            });
        }
        let identities: Vec<String> = common.unwrap_or_default().into_iter().collect();
        self.identities.insert(key, identities.clone());
        identities
    }
}

/// A sized array of libyang: the number of its items stands before the first one (`LY_ARRAY_COUNT`).
///
/// # Safety
/// `items` is null or a sized array of a living context.
pub(super) unsafe fn array<'a, T>(items: *const T) -> &'a [T] {
    if items.is_null() {
        return &[];
    }
    // SAFETY: by the contract of this function.
    unsafe { std::slice::from_raw_parts(items, *items.cast::<u64>().sub(1) as usize) }
}

/// # Safety
/// `items` is null or a sized array of a living context.
unsafe fn names(items: *const ffi::lysc_type_bitenum_item) -> Vec<String> {
    // SAFETY: by the contract of this function; every item has a name.
    unsafe { array(items).iter().filter_map(|item| text(item.name)).collect() }
}

/// # Safety
/// `ty` is a compiled type of a living context.
unsafe fn patterned(ty: *const ffi::lysc_type) -> bool {
    // SAFETY: by the contract of this function; only strings are read as strings.
    unsafe {
        (*ty).basetype == Base::LY_TYPE_STRING
            && canonical(ty) == Canonical::Exact
            && !(*ty.cast::<ffi::lysc_type_str>()).patterns.is_null()
    }
}

/// The ranges, or the lengths, that a type allows; empty: all.
///
/// # Safety
/// `ty` is a compiled type of a living context.
unsafe fn within(ty: *const ffi::lysc_type) -> Vec<(i128, i128)> {
    // SAFETY: by the contract of this function; the base type tells which structure it is, and which half of the unions of a
    // range holds.
    unsafe {
        let (range, signed) = match (*ty).basetype {
            Base::LY_TYPE_UINT8 | Base::LY_TYPE_UINT16 | Base::LY_TYPE_UINT32 | Base::LY_TYPE_UINT64 => {
                ((*ty.cast::<ffi::lysc_type_num>()).range, false)
            }
            Base::LY_TYPE_INT8 | Base::LY_TYPE_INT16 | Base::LY_TYPE_INT32 | Base::LY_TYPE_INT64 => {
                ((*ty.cast::<ffi::lysc_type_num>()).range, true)
            }
            Base::LY_TYPE_DEC64 => ((*ty.cast::<ffi::lysc_type_dec>()).range, true),
            Base::LY_TYPE_STRING => ((*ty.cast::<ffi::lysc_type_str>()).length, false),
            Base::LY_TYPE_BINARY => ((*ty.cast::<ffi::lysc_type_bin>()).length, false),
            _ => return Vec::new(),
        };
        if range.is_null() {
            // The patterns of RFC 6991 fix the length of these two.
            return match (canonical(ty), text((*ty).name).as_deref()) {
                (Canonical::Lower, Some("mac-address")) => vec![(17, 17)],
                (Canonical::Lower, Some("uuid")) => vec![(36, 36)],
                _ => Vec::new(),
            };
        }
        let ends = |part: &ffi::lysc_range_lysc_range_part| match signed {
            true => (part.__bindgen_anon_1.min_64.into(), part.__bindgen_anon_2.max_64.into()),
            false => (part.__bindgen_anon_1.min_u64.into(), part.__bindgen_anon_2.max_u64.into()),
        };
        array((*range).parts).iter().map(ends).collect()
    }
}

/// The canonical form of a string type. libyang's type plugin tells the genuine typedefs of RFC 6991 (and what derives from
/// them) from vendor types of the same name.
///
/// # Safety
/// `ty` is a compiled type of a living context.
unsafe fn canonical(ty: *const ffi::lysc_type) -> Canonical {
    // SAFETY: by the contract of this function. A plugin record begins with its id (`struct lyplg_type`).
    let (name, plugin) = unsafe {
        let plugin = ffi::lysc_get_type_plugin((*ty).plugin_ref).cast::<*const c_char>();
        (text((*ty).name), if plugin.is_null() { None } else { text(*plugin) })
    };
    let plugin = plugin.unwrap_or_default();
    match plugin.strip_prefix("ly2 ").unwrap_or(&plugin) {
        "hex-string" => Canonical::Lower,
        "ipv4-address" | "ipv4-address-no-zone" | "ipv6-address" | "ipv6-address-no-zone" => Canonical::IpAddress,
        // Of the address with its length the host bits belong to the value.
        "ipv4-address-prefix" | "ipv6-address-prefix" if name.as_deref().is_some_and(|n| n.contains("and-prefix")) => {
            Canonical::Exact
        }
        "ipv4-address-prefix" | "ipv6-address-prefix" => Canonical::IpPrefix,
        _ => Canonical::Exact,
    }
}

//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Plan, commit and watch the services of a network domain.
///
/// A service document becomes a plan, a plan is shown before it is committed, and what was committed is verified by reading
/// the elements back. The command talks to the daemon `andanted`.
#[derive(Debug, Parser)]
#[command(name = "andante", version, propagate_version = true, max_term_width = 100, after_help = EXITS)]
pub(super) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Print the daemon's answer as JSON (RFC 7951, module andante) instead of a report
    #[arg(long, global = true)]
    pub json: bool,
    /// Change ticket; kept in the transaction, the audit, the events and the history of the service
    #[arg(long, global = true, value_name = "TEXT")]
    pub ticket: Option<String>,
    /// Talk to the daemon at this URL instead of the local socket (also: ANDANTE_URL)
    #[arg(long, global = true, value_name = "URL", conflicts_with = "socket")]
    pub url: Option<String>,
    /// Local socket of the daemon
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Colours
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show what a document would change, element by element, and keep the plan for a commit
    Plan(PlanArguments),
    /// Send exactly what a plan showed, or nothing at all
    Commit {
        /// The plan: its id, or the first 8 characters or more
        plan: String,
        /// Refuse if an element can take back less than this class (A is best)
        #[arg(long, value_name = "CLASS", value_parser = ["A", "B", "C", "D"], ignore_case = true)]
        require_class: Option<String>,
        #[command(flatten)]
        mode: Mode,
    },
    /// Services: their documents and their state
    #[command(subcommand)]
    Service(Service),
    /// Elements: the inventory and what is known of each
    #[command(subcommand)]
    Element(ElementVerb),
    /// Deviations: what differs though nobody asked for it
    #[command(subcommand)]
    Deviation(DeviationVerb),
    /// Transactions: what was attempted and how it ended
    #[command(subcommand)]
    Transaction(TransactionVerb),
    /// Changes that wait for elements that are away
    #[command(subcommand)]
    Queue(QueueVerb),
    /// Who owns a line of an element, and why it is there
    Why {
        /// The element
        element: String,
        /// Configuration path as the daemon prints it, or words of the line
        path: String,
    },
    /// Adapters: the platforms that the daemon knows
    #[command(subcommand)]
    Adapter(AdapterVerb),
    /// The daemon's settings
    #[command(subcommand)]
    Config(ConfigVerb),
}

/// What a plan is made from.
#[derive(Args, Debug)]
pub(super) struct PlanArguments {
    /// Service documents (JSON or XML), folders of them, or - for standard input; all become one transaction
    #[arg(value_name = "FILE", required_unless_present = "delete")]
    pub files: Vec<PathBuf>,
    /// Delete this service (ID, or FACE/ID); may be given several times
    #[arg(long, value_name = "ID")]
    pub delete: Vec<String>,
    /// Show the exact payload for each element instead of the diff
    #[arg(long)]
    pub native: bool,
    #[command(flatten)]
    pub consent: Consent,
}

/// What the caller allows beyond the request.
#[derive(Args, Debug, Default)]
pub(super) struct Consent {
    /// Overwrite a change that was made by hand: its path as the refusal names it, ELEMENT:PATH, or all
    #[arg(long, value_name = "PATH|all")]
    pub overwrite: Vec<String>,
    /// Let configuration go that nobody claims below something removed: a path, or all
    #[arg(long, value_name = "PATH|all")]
    pub allow_collateral: Vec<String>,
    /// Change what the adapter or the inventory protects (management access, own user), on class A only: a path, or all
    #[arg(long, value_name = "PATH|all")]
    pub allow_protected: Vec<String>,
    /// Check the elements' state before the decision: the name of one of the adapter's checks, or all
    #[arg(long, value_name = "NAME|all")]
    pub check: Vec<String>,
    /// Refuse if an element can take back less than this class (A is best)
    #[arg(long, value_name = "CLASS", value_parser = ["A", "B", "C", "D"], ignore_case = true)]
    pub require_class: Option<String>,
}

/// How a write is carried out.
#[derive(Args, Debug, Default)]
pub(super) struct Mode {
    /// Do not wait for the end: print the transaction and how to watch it
    #[arg(long = "async", conflicts_with = "follow")]
    pub at_once: bool,
    /// Print a line for each phase until the end
    #[arg(long)]
    pub follow: bool,
    /// Name of the request: given again with the same content it is not carried out again, its result is shown
    #[arg(long, value_name = "NAME")]
    pub request_id: Option<String>,
}

/// What is done about elements that are away.
#[derive(Args, Debug, Default)]
pub(super) struct Away {
    /// Carry out the rest, and what concerns them when they are back; the policy says what happens if that fails
    #[arg(long, value_name = "POLICY", value_parser = ["block", "skip", "revert-service"])]
    pub queue: Option<String>,
}

/// `service …`
#[derive(Debug, Subcommand)]
pub(super) enum Service {
    /// All services
    List,
    /// One service: its state and its document
    Show {
        /// ID, or FACE/ID
        id: String,
    },
    /// Plan documents, show the plan, and commit it at once
    Apply {
        /// Service documents (JSON or XML), folders of them, or - for standard input; all become one transaction
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        mode: Mode,
        #[command(flatten)]
        away: Away,
    },
    /// Its revisions, of a deleted service too: what happened, when, by whom, in which transaction
    History(HistoryArguments),
    /// Plan the way back to an earlier document, and show the plan; --commit carries it out
    Rollback {
        /// ID, or FACE/ID; the service may be deleted
        id: String,
        /// The revision to go back to, as 'service history' numbers it
        revision: u64,
        /// Commit the plan at once
        #[arg(long)]
        commit: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// Remove a service from all its elements
    Delete {
        /// ID, or FACE/ID
        id: String,
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        mode: Mode,
        #[command(flatten)]
        away: Away,
    },
}

/// `service history`
#[derive(Args, Debug)]
pub(super) struct HistoryArguments {
    /// ID, or FACE/ID
    pub id: String,
    /// Print the document of this revision
    #[arg(long, value_name = "REV")]
    pub show: Option<u64>,
    /// Print what differs between two revisions (2,4); with one, between it and the present one
    #[arg(long, value_name = "REV[,REV]", value_parser = revisions, conflicts_with = "show")]
    pub diff: Option<Revisions>,
}

/// Which revisions are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Revisions {
    /// The older one.
    pub from: u64,
    /// The other one; the present one if it is not said.
    pub to: Option<u64>,
}

fn revisions(text: &str) -> Result<Revisions, String> {
    let number = |text: &str| text.trim().parse().map_err(|_| format!("'{text}' is no revision; write 3, or 2,4"));
    match text.split_once(',') {
        None => Ok(Revisions { from: number(text)?, to: None }),
        Some((from, to)) => Ok(Revisions { from: number(from)?, to: Some(number(to)?) }),
    }
}

/// `element …`
#[derive(Debug, Subcommand)]
pub(super) enum ElementVerb {
    /// All elements
    List,
    /// One element
    Show {
        /// The element
        name: String,
    },
    /// Contact an element: show its host key, and what it can take back
    Probe {
        /// The element
        name: String,
        /// Pin the key that it shows now; compare it with what the element itself says first
        #[arg(long)]
        trust: bool,
    },
    /// Make the inventory be what a file says; what is absent becomes unmanaged, never deleted
    Apply {
        /// Inventory (TOML)
        file: PathBuf,
        /// Leave elements alone that the file does not name
        #[arg(long)]
        partial: bool,
    },
    /// Print the configuration of an element as it is now
    Config {
        /// The element
        name: String,
    },
    /// Read elements now and compare them with what is intended
    Check {
        /// The elements; none means all
        names: Vec<String>,
    },
    /// Values that an element writes in its own way: X was sent, it says Y, and means the same
    #[command(subcommand)]
    Rewrite(RewriteVerb),
}

/// `element rewrite …`
#[derive(Debug, Subcommand)]
pub(super) enum RewriteVerb {
    /// What was confirmed
    List {
        /// The element; none means all
        element: Option<String>,
    },
    /// Confirm that an element writes a value in its own way; from then on exactly these two values are equal there
    Confirm(RewriteArguments),
    /// Take it back: the two values differ again
    Forget(RewriteArguments),
}

/// Which rewriting is meant.
#[derive(Args, Debug)]
pub(super) struct RewriteArguments {
    /// The element
    pub element: String,
    /// Configuration path as a deviation or a failed transaction names it
    pub path: String,
    /// What is sent; without it, as the open deviation or the failed read-back says
    #[arg(long, value_name = "X")]
    pub sent: Option<String>,
    /// What the element says then
    #[arg(long, value_name = "Y")]
    pub says: Option<String>,
    /// The same holds in all entries of the lists on the path
    #[arg(long)]
    pub all_entries: bool,
}

/// `deviation …`
#[derive(Debug, Subcommand)]
pub(super) enum DeviationVerb {
    /// All open deviations
    List,
    /// One deviation
    Show {
        /// Its id, or its first 8 or more characters, as long as they are those of one alone
        id: String,
    },
    /// Bring elements back to what is intended
    Heal {
        /// Deviations by id
        #[arg(required_unless_present = "element")]
        ids: Vec<String>,
        /// All deviations of this element
        #[arg(long, conflicts_with = "ids")]
        element: Option<String>,
        /// Show what would be sent, and send nothing
        #[arg(long)]
        dry_run: bool,
        /// With --dry-run: the exact payload for each element instead of the diff
        #[arg(long, requires = "dry_run")]
        native: bool,
    },
}

/// `transaction …`
#[derive(Debug, Subcommand)]
pub(super) enum TransactionVerb {
    /// Transactions, the newest first
    List {
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only what is older than this one: the last id of the page before
        #[arg(long, value_name = "ID")]
        after: Option<String>,
    },
    /// One transaction; of an unresolved one also what stands on the elements that are astray, and what can be done
    Show {
        /// Its id, or its first 8 or more characters, as long as they are those of one alone
        id: String,
    },
    /// Print a line for each phase until the end
    Watch {
        /// Its id, or its first 8 or more characters, as long as they are those of one alone
        id: String,
    },
    /// Call it off: before the decision everything goes back, afterwards it is refused
    Cancel {
        /// Its id, or its first 8 or more characters, as long as they are those of one alone
        id: String,
    },
    /// Plan the inverse of an applied transaction, and show the plan; --commit carries it out
    Undo {
        /// Its id, or its first 8 or more characters, as long as they are those of one alone
        id: String,
        /// Also where its services were changed since: those changes go too
        #[arg(long)]
        over_later: bool,
        /// Commit the plan at once
        #[arg(long)]
        commit: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// Say what becomes of elements that an unresolved transaction could not bring to its side
    Resolve(ResolveArguments),
}

/// `transaction resolve`
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("which").args(["elements", "all"]).required(true)))]
#[command(group(clap::ArgGroup::new("offer").args(["retry", "accept_actual", "force_intent"]).required(true)))]
pub(super) struct ResolveArguments {
    /// Its id, or its first 8 or more characters, as long as they are those of one alone
    pub id: String,
    /// The elements meant
    #[arg(value_name = "ELEMENT")]
    pub elements: Vec<String>,
    /// All elements that are astray
    #[arg(long)]
    pub all: bool,
    /// Try again now
    #[arg(long)]
    pub retry: bool,
    /// What the element has stands: nothing is sent, what differs is noted as a deviation
    #[arg(long)]
    pub accept_actual: bool,
    /// Send what the transaction goes to, over values of somebody else too; without --commit it is only shown
    #[arg(long)]
    pub force_intent: bool,
    /// With --force-intent: send it; with the digest of an earlier look exactly what was shown then
    #[arg(long, value_name = "DIGEST", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    #[arg(conflicts_with_all = ["retry", "accept_actual"])]
    pub commit: Option<String>,
    /// Why; kept in the transaction and in the audit
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `queue …`
#[derive(Debug, Subcommand)]
pub(super) enum QueueVerb {
    /// What waits, or failed, for which element
    List,
    /// Try a change again now
    Retry(QueuedArguments),
    /// Give a change up: those behind it go on, the element stays as it is
    Drop(QueuedArguments),
}

/// Which queued change is meant.
#[derive(Args, Debug)]
pub(super) struct QueuedArguments {
    /// The element
    pub element: String,
    /// The service: ID, or FACE/ID
    pub service: String,
}

/// `adapter …`
#[derive(Debug, Subcommand)]
pub(super) enum AdapterVerb {
    /// All adapters
    List,
}

/// `config …`
#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Check a settings file without starting anything
    Check {
        /// Settings (TOML)
        file: PathBuf,
    },
}

const EXITS: &str = "Simulated elements, a network of their own: andante sim --help\n\nExit codes: 0 done, or nothing differs · 1 the tool or the daemon failed · 2 differences found · \
3 refused or not applied, the network is as before · 4 unresolved or still running · 64 wrong usage";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
        let read = |line: &str| Arguments::try_parse_from(line.split(' '));
        assert!(read("andante plan a.json b --overwrite all --allow-collateral all --native --json").is_ok());
        assert!(read("andante element rewrite list").is_ok());
        assert!(read("andante element rewrite confirm pe1 /frr:x/y --sent www --says 80 --all-entries").is_ok());
        assert!(read("andante element rewrite forget pe1").is_err());
        assert!(read("andante plan").is_err());
        assert!(read("andante plan --delete acme").is_ok());
        assert!(read("andante deviation heal").is_err());
        assert!(read("andante deviation heal --element pe1 --ticket T-1").is_ok());
        assert!(read("andante commit 0123456789 --follow --request-id x").is_ok());
        assert!(read("andante commit 0123456789 --follow --async").is_err());
        assert!(read("andante transaction cancel 0123456789 --ticket T-1").is_ok());
        assert!(read("andante service apply x --queue skip --async").is_ok());
        assert!(read("andante service apply x --queue sometimes").is_err());
        assert!(read("andante queue drop pe2 acme").is_ok());
        assert!(read("andante element list --url http://x --socket y").is_err());
        assert!(read("andante commit 0123456789 --require-class Z").is_err());
        assert!(read("andante plan a.json --require-class b").is_ok());
        assert!(read("andante deviation heal 5d0c91 --dry-run --native").is_ok());
        assert!(read("andante deviation heal 5d0c91 --native").is_err());
        assert!(read("andante transaction list --limit 0").is_err());
        assert!(read("andante transaction resolve 0123 pe1 --retry").is_ok());
        assert!(read("andante transaction resolve 0123 --all --force-intent --commit --reason x").is_ok());
        assert!(read("andante transaction resolve 0123 pe1 --retry --accept-actual").is_err());
        assert!(read("andante transaction resolve 0123 pe1 --all --retry").is_err());
        assert!(read("andante transaction resolve 0123 pe1 --retry --commit").is_err());
        assert!(read("andante transaction resolve 0123 --retry").is_err());
        assert!(read("andante service history --diff 1,2 acme").is_ok());
        assert!(read("andante service history --diff acme 1").is_err());
        assert!(read("andante service rollback acme 3 --commit --overwrite all").is_ok());
        assert!(read("andante transaction undo 0123 --over-later").is_ok());
    }

    /// What stands behind an option is its value or an argument of its own, and never which of the two depends on how much
    /// is written.
    #[test]
    fn no_option_swallows_an_argument() {
        let read = |line: &str| Arguments::try_parse_from(line.split(' ')).map(|read| read.verb);
        let Ok(Verb::Plan(plan)) = read("andante plan --check all --allow-collateral all a.json") else {
            panic!("not read");
        };
        assert_eq!((plan.files.len(), &*plan.consent.check), (1, &["all".to_owned()][..]));
        for alone in ["plan --check a.json", "plan --allow-protected a.json", "service apply --queue a.json"] {
            assert!(read(&format!("andante {alone}")).is_err(), "{alone}");
        }
        let line = "andante transaction resolve 0123 --force-intent --commit pe1";
        let Ok(Verb::Transaction(TransactionVerb::Resolve(given))) = read(line) else { panic!("not read") };
        assert_eq!((given.commit.as_deref(), &*given.elements), (Some(""), &["pe1".to_owned()][..]));
        fn sound(command: &clap::Command) {
            for option in command.get_arguments().filter(|option| !option.is_positional()) {
                let open = option.get_num_args().is_some_and(|many| many.min_values() != many.max_values());
                assert!(!open || option.is_require_equals_set(), "{}: --{}", command.get_name(), option.get_id());
            }
            command.get_subcommands().for_each(sound);
        }
        let mut command = Arguments::command();
        command.build();
        sound(&command);
    }
}

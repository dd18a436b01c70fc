//! The past of services and the standing of unresolved transactions as nodes.

use super::sheet::Sheet;
use super::state::turn;
use crate::controller::{AstrayPath, Standing};
use crate::domain::Revision;

/// Fills in one revision; `document` if it was asked for.
pub fn revision(sheet: &mut Sheet<'_>, one: &Revision, present: bool, document: Option<&str>) {
    sheet.leaf("revision", one.revision);
    sheet.leaf("effect", one.effect.as_str());
    sheet.leaf("at", one.at);
    sheet.leaf("author", &one.author);
    sheet.maybe("ticket", one.ticket.as_ref());
    sheet.maybe("transaction", one.transaction.as_ref());
    sheet.leaf("present", present);
    sheet.maybe("document", document.filter(|text| !text.is_empty()));
}

/// Fills in how an unresolved transaction stands.
pub fn standing(sheet: &mut Sheet<'_>, standing: &Standing) {
    sheet.leaf("goes-to", if standing.decided { "after" } else { "before" });
    sheet.leaf("digest", &standing.digest);
    sheet.list("standing", &standing.elements, |sheet, found| {
        sheet.leaf("element", &found.element);
        sheet.leaf("state", turn(found.progress.turn));
        sheet.maybe("detail", found.progress.detail.as_ref());
        sheet.maybe("unread", found.unread.as_ref());
        sheet.list("path", &found.paths, |sheet, path: &AstrayPath| {
            sheet.leaf("path", &path.path);
            sheet.maybe("before", path.before.as_ref());
            sheet.maybe("after", path.after.as_ref());
            sheet.maybe("actual", path.actual.as_ref());
            sheet.leaf("foreign", path.foreign);
        });
        sheet.maybe("native", found.payload.as_ref().map(|payload| payload.native()));
        if !found.text.is_empty() {
            sheet.leaf("diff", &found.text);
        }
    });
}

//! The verbs that change something, as an element of each class carries them out.

use super::*;

#[async_trait]
impl Writer for Session {
    async fn lock(&mut self) -> Done<()> {
        let lock = |inner: &mut Inner, _| {
            self.sent(inner, Call::Lock, "");
            if self.element.class() == Class::D {
                return Ok(());
            }
            if self.held_by_others(inner) {
                return Err(self.refused("lock", "lock-denied", ErrorClass::Transient));
            }
            if inner.pending.is_some() {
                // F3: nobody can lock inside the window of a dead session.
                return Err(self.refused("lock", "in-use: confirmed-commit pending", ErrorClass::Transient));
            }
            if !inner.candidate.is_empty() {
                // F6.
                let error = self.refused("lock", "discard-changes needed", ErrorClass::Transient);
                return Err(DriverError { tag: Some("resource-denied".into()), ..error });
            }
            inner.lock = Some(Lock::Session(self.id));
            Ok(())
        };
        self.call(Call::Lock, lock).await
    }

    async fn prepare(&mut self, payload: &Payload) -> Done<()> {
        let prepare = |inner: &mut Inner, _| {
            self.sent(inner, Call::Prepare, payload.native().as_ref());
            if self.element.has_candidate() {
                if self.held_by_others(inner) {
                    return Err(self.refused("edit-config", "in-use: config locked", ErrorClass::Transient));
                }
                let by = By::Ours(self.owner.clone());
                inner
                    .candidate
                    .extend(self.element.operations(payload).into_iter().map(|operation| (by.clone(), operation)));
            }
            Ok(())
        };
        self.call(Call::Prepare, prepare).await
    }

    async fn apply(&mut self, payload: &Payload, confirm: Option<&Confirm>) -> Done<Residue> {
        let apply = |inner: &mut Inner, fault: Option<Fault>| {
            self.sent(inner, Call::Apply, payload.native().as_ref());
            if self.held_by_others(inner) || self.element.has_candidate() && inner.pending.is_some() {
                inner.note(&self.element.world, By::Ours(self.owner.clone()), Did::Refused);
                return Err(self.refused("commit", "in-use", ErrorClass::Transient));
            }
            let (now, backup) = (self.element.world.now(), inner.running.clone());
            let made = self.element.world.tick();
            self.commit(inner, payload, fault)?;
            if let (Class::A, Some(confirm)) = (self.class(), confirm) {
                let short = self.element.has(Habit::ShortTimer);
                let time = if short { confirm.timeout / 3 } else { confirm.timeout };
                inner.pending = Some(Pending { persist: confirm.persist.clone(), backup, made, until: now + time });
            }
            Ok(vec![])
        };
        self.call(Call::Apply, apply).await
    }

    async fn extend(&mut self, confirm: &Confirm) -> Done<()> {
        let extend = |inner: &mut Inner, _| {
            let (world, running) = (&self.element.world, inner.running.clone());
            match inner.pending.as_mut().filter(|pending| pending.persist == confirm.persist) {
                Some(pending) => {
                    pending.until = world.now() + confirm.timeout;
                    if self.element.has(Habit::ClobbersBackup) {
                        (pending.backup, pending.made) = (running, world.tick());
                    }
                    Ok(())
                }
                None => Err(self.not_active("extend", &confirm.persist)),
            }
        };
        self.call(Call::Extend, extend).await
    }

    async fn confirm(&mut self, persist: &str) -> Done<()> {
        let confirm = |inner: &mut Inner, fault: Option<Fault>| {
            if fault == Some(Fault::Silent) {
                return Ok(());
            }
            self.sent(inner, Call::Confirm, "");
            if inner.pending.as_ref().is_none_or(|pending| pending.persist != persist) {
                // F4.
                return Err(self.not_active("confirm", persist));
            }
            if self.held_by_others(inner) {
                return Err(self.refused("confirm", "in-use: config locked", ErrorClass::Transient));
            }
            inner.pending = None;
            let (world, by) = (&self.element.world, By::Ours(self.owner.clone()));
            inner.note(world, by.clone(), Did::Kept);
            // F2: the confirming commit takes along what stands in the candidate.
            let along: Vec<_> = std::mem::take(&mut inner.candidate).into_iter().map(|(_, o)| o).collect();
            if !along.is_empty() {
                inner.change(world, by, along);
            }
            Ok(())
        };
        self.call(Call::Confirm, confirm).await
    }

    async fn cancel(&mut self, persist: &str) -> Done<()> {
        let cancel = |inner: &mut Inner, fault: Option<Fault>| {
            if fault == Some(Fault::Silent) || self.element.has(Habit::IgnoresCancel) && inner.pending.is_some() {
                return Ok(());
            }
            if inner.pending.as_ref().is_none_or(|pending| pending.persist != persist) {
                return Err(self.not_active("cancel", persist));
            }
            if self.element.has(Habit::CancelForgets) && inner.lock == Some(Lock::Session(self.id)) {
                inner.pending = None;
                return Ok(());
            }
            inner.revert(&self.element.world, By::Ours(self.owner.clone()));
            Ok(())
        };
        self.call(Call::Cancel, cancel).await
    }

    async fn discard(&mut self) -> Done<()> {
        let discard = |inner: &mut Inner, _| {
            if self.held_by_others(inner) {
                return Err(self.refused("discard-changes", "in-use: config locked", ErrorClass::Transient));
            }
            if inner.candidate.iter().any(|(by, _)| *by == By::Human) {
                inner.note(&self.element.world, By::Ours(self.owner.clone()), Did::DiscardedForeign);
            }
            inner.candidate.clear();
            Ok(())
        };
        self.call(Call::Discard, discard).await
    }

    async fn save(&mut self) -> Done<()> {
        let save = |inner: &mut Inner, _| {
            self.sent(inner, Call::Save, "");
            inner.startup = (inner.running.clone(), self.element.world.tick());
            Ok(())
        };
        self.call(Call::Save, save).await
    }

    async fn unlock(&mut self) -> Done<()> {
        let unlock = |inner: &mut Inner, _| {
            if inner.lock == Some(Lock::Session(self.id)) {
                inner.lock = None;
            }
            Ok(())
        };
        self.call(Call::Unlock, unlock).await
    }

    async fn holder(&mut self) -> Option<Holder> {
        if self.element.has(Habit::TellsNoHolder) {
            return None;
        }
        self.element.on(|inner, _| match inner.lock {
            Some(Lock::Session(id)) => Some(Holder { session: id as u32, same_user: Some(true), ..Holder::default() }),
            Some(Lock::Foreign(_)) => {
                let (user, same_user) = (Some("somebody".to_owned()), Some(false));
                Some(Holder { session: 900_000, user, same_user, ..Holder::default() })
            }
            None => None,
        })
    }

    async fn end_session(&mut self, session: u32) -> Done<()> {
        let end = |inner: &mut Inner, _| {
            inner.end(u64::from(session), &self.element);
            Ok(())
        };
        self.call(Call::Discard, end).await
    }

    async fn read_candidate(&mut self) -> Done<Option<Reading>> {
        if !self.element.has_candidate() || self.element.has(Habit::TellsNoHolder) {
            return Ok(None);
        }
        let read = |inner: &mut Inner, fault: Option<Fault>| {
            let partial = (fault == Some(Fault::PartialRead)).then(|| "cut short".to_owned());
            let edits = inner.candidate.iter().map(|(_, operation)| operation);
            let tree = edits.fold(inner.running.clone(), |tree, operation| operation.apply(&tree));
            let tree = self.element.shown(&tree);
            Ok(Some(Reading { tree, partial, bytes: 1, defaults: Default::default() }))
        };
        self.call(Call::Read, read).await
    }
}

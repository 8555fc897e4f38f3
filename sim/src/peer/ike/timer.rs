//! What time does to IKE.

use kumihimo_core::time::Instant;

use super::{Action, Cx, Ike};
use crate::peer::resend::{Due, Resend};
use crate::peer::{Reason, Stage};

impl Ike {
    /// When something is to be done.
    pub(in crate::peer) fn deadline(&self) -> Option<Instant> {
        let resends = self.negotiations.iter().filter_map(|one| one.resend.as_ref());
        let resends = resends.chain(self.exchanges.iter().filter_map(|one| one.resend.as_ref()));
        let sas = self.sas.iter().map(|sa| sa.renew_at.unwrap_or(sa.expires).min(sa.expires));
        let forgets = self.negotiations.iter().filter_map(|one| one.forget_at);
        let forgets = forgets.chain(self.exchanges.iter().filter_map(|one| one.forget_at));
        let single = [self.keepalive_at, self.ask_at].into_iter().flatten();
        resends.map(Resend::deadline).chain(sas).chain(forgets).chain(single).min()
    }

    /// Does what is due.
    pub(in crate::peer) fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        self.repeat(cx);
        self.tidy(cx.now);
        self.renew(cx);
        self.probe(cx);
        if self.keepalive_at.is_some_and(|at| at <= cx.now) {
            self.keepalive_at = Some(cx.now + self.profile.ike.keepalive);
            // RFC 3948 §2.3: one octet, without a marker.
            cx.out.push(Action::Send { floated: true, message: vec![0xff] });
        }
    }

    fn repeat(&mut self, cx: &mut Cx<'_>) {
        let mut again = Vec::new();
        let mut lost = None;
        self.negotiations.retain_mut(|one| match one.resend.as_mut().map(|it| it.due(cx.now)) {
            Some(Due::Again(message)) => {
                again.push(message);
                true
            }
            Some(Due::Never) => {
                lost = Some(Stage::MainMode);
                false
            }
            _ => true,
        });
        self.exchanges.retain_mut(|one| match one.resend.as_mut().map(|it| it.due(cx.now)) {
            Some(Due::Again(message)) => {
                again.push(message);
                true
            }
            Some(Due::Never) => {
                // Whether our answer arrived is the server's business.
                if one.is_ours() {
                    lost = Some(Stage::QuickMode);
                }
                false
            }
            _ => true,
        });
        again.into_iter().for_each(|message| self.send(cx, message));
        if let Some(stage) = lost {
            cx.out.push(Action::Failed(stage, Reason::Silence));
        }
    }

    fn renew(&mut self, cx: &mut Cx<'_>) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= cx.now);
        let mut wanted = false;
        for (index, sa) in self.sas.iter_mut().rev().enumerate() {
            if due(sa.renew_at) {
                sa.renew_at = None;
                // Only the newest is worth renewing.
                wanted |= index == 0;
            }
        }
        if wanted {
            self.begin_main_mode(cx);
        }
        while let Some(at) = self.sas.iter().position(|sa| sa.expires <= cx.now) {
            self.delete_sa(cx, at);
        }
    }

    fn probe(&mut self, cx: &mut Cx<'_>) {
        let Some(habit) = self.profile.ike.dpd.filter(|_| self.may_ask()) else {
            self.ask_at = None;
            return;
        };
        let quiet_since = cx.now.since(self.heard_at);
        let next = self.heard_at + habit.after.times(u64::from(self.asked) + 1);
        if quiet_since < habit.after || next > cx.now {
            self.ask_at = Some(next);
            return;
        }
        if self.asked >= habit.misses {
            self.ask_at = None;
            cx.out.push(Action::Gone(Reason::DeadPeer));
            return;
        }
        self.asked += 1;
        self.ask_at = Some(cx.now + habit.after);
        self.ask(cx);
    }
}

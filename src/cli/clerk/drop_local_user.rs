//! The second step of a deletion, after Clerk no longer has the user: it informs the running gate, which then needs no webhook for
//! that.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::cli::exit::FAILED;
use crate::cli::gate;
use crate::config::settings::Settings;
use crate::domain::ids::ClerkUserId;

/// The result of informing the gate.
pub(super) struct Here {
    /// The admin listener of the config.
    admin: String,
    /// Whether the config accepts webhooks, through which a gate learns of the deletion as well.
    webhooks: bool,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The config has no `admin.token`, so the gate was not asked.
    NotAsked,
    /// The gate refuses the user from now on.
    Dropped,
    /// The token of the config is not the one that the gate was started with.
    Token,
    /// Another answer.
    Refused(u16, String),
    /// No answer, and why.
    Silent(String),
}

impl Here {
    /// Informs the gate that runs with these settings.
    pub(super) fn told(user: &ClerkUserId, settings: &Settings) -> Self {
        let admin = settings.fixed.admin.to_string();
        let webhooks = settings.reloadable.rules.webhooks.is_some();
        let Some(token) = settings.fixed.admin_tokens.first() else {
            return Self {
                admin,
                webhooks,
                end: End::NotAsked,
            };
        };
        // One segment of the path, whatever the id contains (CVE-2026-34076).
        let path = format!(
            "/users/{}",
            utf8_percent_encode(user.as_str(), NON_ALPHANUMERIC)
        );
        let end = match gate::ask(&admin, "DELETE", &path, Some(&token.shown)) {
            Ok((status, text)) => End::of(status, &text),
            Err(why) => End::Silent(why.to_string()),
        };
        Self {
            admin,
            webhooks,
            end,
        }
    }

    /// The result as one word, for programs.
    pub(super) fn word(&self) -> &'static str {
        match self.end {
            End::NotAsked => "not_asked",
            End::Dropped => "dropped",
            End::Token | End::Refused(..) => "refused",
            End::Silent(_) => "no_answer",
        }
    }

    /// The exit status. If informing the gate failed, it may still let the user in, so that is a failure. The command may be
    /// repeated without harm.
    pub(super) fn status(&self) -> u8 {
        match self.end {
            End::NotAsked | End::Dropped => 0,
            End::Token | End::Refused(..) | End::Silent(_) => FAILED,
        }
    }

    /// The result as text, for people.
    pub(super) fn text(&self, user: &ClerkUserId) -> String {
        let Self { admin, end, .. } = self;
        let meanwhile = self.meanwhile(user);
        match end {
            End::NotAsked => {
                format!("no gate was told, as the config has no `admin.token`: {meanwhile}\n")
            }
            End::Dropped => format!("the gate at {admin} refuses {user} from now on\n"),
            End::Token => format!(
                "error: the gate at {admin} was not told: it does not take this `admin.token`\n  fix    it was started with \
                 another one: run this with its config and its BAILIFF_ADMIN_TOKEN, or restart it\n         {meanwhile}\n"
            ),
            End::Refused(status, text) => format!(
                "error: the gate at {admin} was not told\n  saw    {status} {text}\n  fix    the same command once more does no \
                 harm\n         {meanwhile}\n"
            ),
            End::Silent(why) => format!(
                "error: the gate at {admin} was not told\n  saw    {why}\n  fix    is it running, and is this its `admin`? The \
                 same command once more does no harm\n         {meanwhile}\n"
            ),
        }
    }

    /// How a gate that was not informed learns of the deletion.
    fn meanwhile(&self, user: &ClerkUserId) -> String {
        if self.webhooks {
            format!(
                "a gate refuses {user} once Clerk's webhook `user.deleted` has come, which Clerk sends again to one that is down"
            )
        } else {
            format!(
                "no webhook will tell it either, as the config has no `webhooks.secrets`: tokens of {user} pass until they expire, \
                 session tokens within about a minute. With `admin.token` (BAILIFF_ADMIN_TOKEN) this command tells it"
            )
        }
    }
}

impl End {
    fn of(status: u16, text: &str) -> Self {
        match status {
            200 => Self::Dropped,
            401 | 403 => Self::Token,
            // Any program may have given this answer, so only one line of it is shown, without control characters.
            _ => Self::Refused(
                status,
                text.chars().filter(|c| !c.is_control()).take(200).collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(end: End, webhooks: bool) -> Here {
        Here {
            admin: "127.0.0.1:8485".to_owned(),
            webhooks,
            end,
        }
    }

    #[test]
    fn only_a_gate_that_should_have_been_told_and_was_not_is_a_failure() {
        for (status, word, ends) in [
            (200, "dropped", 0),
            (409, "refused", FAILED),
            (401, "refused", FAILED),
            (403, "refused", FAILED),
            (404, "refused", FAILED),
            (503, "refused", FAILED),
        ] {
            let here = here(End::of(status, ""), true);
            assert_eq!(
                (here.word(), here.status()),
                (word, ends),
                "given: {status}"
            );
        }
        assert_eq!(here(End::NotAsked, true).status(), 0);
        assert_eq!(here(End::Silent(String::new()), true).status(), FAILED);
    }

    #[test]
    fn nobody_is_told_to_wait_for_a_webhook_that_will_not_come() {
        let user = ClerkUserId::parse("user_2abc").unwrap();
        for end in [
            || End::NotAsked,
            || End::Token,
            || End::Refused(503, String::new()),
            || End::Silent(String::new()),
        ] {
            let (with, without) = (
                here(end(), true).text(&user),
                here(end(), false).text(&user),
            );
            assert!(
                with.contains("`user.deleted`") && !with.contains("no webhook"),
                "{with}"
            );
            assert!(
                without.contains("no webhook will tell it either"),
                "{without}"
            );
        }
    }

    #[test]
    fn what_listens_there_cannot_write_on_the_terminal_what_it_likes() {
        let End::Refused(418, text) = End::of(418, "a\u{1b}[2J\nb") else {
            panic!("refused")
        };
        assert_eq!(text, "a[2Jb");
    }
}

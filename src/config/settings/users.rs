//! `[[user]]`: who may sign in, and what they may do then.
//!
//! A user is a person, who has a password, or a program, which has a token, or both. Neither is written in
//! the project: of a password there is a reference to its hash, which is kept like a secret because weak ones can
//! be guessed from it; of a token, which is random, the hash itself.

use data_encoding::HEXLOWER_PERMISSIVE;

use super::tables;
use crate::config::diagnostic::Span;
use crate::config::reader::{Field, Report, Table};
use crate::config::secret::Sources;
use crate::domain::restraint::one_line;
use crate::domain::user::Role;
use crate::password::Hash;

/// The longest name of a user, in characters.
const LONGEST_NAME: usize = 100;

/// What the hash of a token begins with.
pub const TOKEN_HASH_PREFIX: &str = "sha256:";

/// The SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What they are called, in what they do and when they sign in.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What their password is compared with, if they have one.
    pub password: Option<Hash>,
    /// What their token is compared with, if they have one.
    pub token: Option<TokenHash>,
}

/// The users of a project.
pub(super) struct Users {
    /// Those without a mistake.
    pub(super) all: Vec<User>,
    /// Whether any is written, with a mistake or without.
    pub(super) has_any: bool,
}

pub(super) fn read(field: Option<&Field<'_>>, sources: Sources<'_>, report: &mut Report) -> Users {
    let Some(field) = field else { return Users { all: Vec::new(), has_any: false } };
    let (mut all, mut names): (Vec<User>, Vec<String>) = (Vec::new(), Vec::new());
    for table in tables("user", field, report) {
        let Some((user, span)) = read_one(table, sources, report) else { continue };
        // Whoever types their name on a telephone is not to be told apart by a capital.
        if names.iter().any(|name| name.eq_ignore_ascii_case(&user.name)) {
            let message = format!("there is another user `{}`", user.name);
            report.error(&span, message).advise("give one of them another name, or take one out");
            continue;
        }
        let shares_token = |it: &User| user.token.is_some() && it.token == user.token;
        if let Some(other) = all.iter().find(|it| shares_token(it)) {
            let message = format!("`{}` and `{}` have the same token", other.name, user.name);
            report.error(&span, message).advise("`tripline user token` makes another one");
        }
        names.push(user.name.clone());
        all.push(user);
    }
    Users { all, has_any: true }
}

/// A user without a mistake, and where the name stands.
fn read_one(
    mut table: Table<'_>,
    sources: Sources<'_>,
    report: &mut Report,
) -> Option<(User, Span)> {
    let name = table.required("name", "what they are called, such as `name = \"ana\"`", report);
    let place = name.as_ref().map(|it| it.span.clone());
    let name = name.and_then(|it| read_name(&it, report));
    let help = "what they may do: `role = \"viewer\"` or `role = \"operator\"`";
    let role = table.required("role", help, report);
    let role = role.and_then(|it| it.word(&Role::ALL.map(|role| (role.as_str(), role)), report));
    let password = table.optional("password_hash");
    let token = table.optional("token_hash");
    if let (None, None, Some(place)) = (&password, &token, &place) {
        let message = "nobody can sign in as this user";
        report.error(place, message).advise(
            "write `password_hash = { env = \"NAME\" }` for a person (`tripline user hash` makes it), \
             or `token_hash = \"sha256:...\"` for a program (`tripline user token` makes it)",
        );
    }
    let has_way = password.is_some() || token.is_some();
    let password = password.and_then(|it| read_password(&it, sources, report));
    let token = token.and_then(|it| it.parsed(token_hash, report));
    table.finish(report, hint);
    let user = User { name: name?, role: role?, password, token };
    has_way.then_some((user, place?))
}

fn read_name(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let name = field.line(LONGEST_NAME, report)?;
    // A colon ends the name in HTTP's basic authentication.
    if one_line(name) != name || name.contains(':') {
        let message =
            "`name` must not begin or end with a space, nor have marks that are not seen, or `:`";
        report.error(&field.span, message);
        return None;
    }
    Some(name.to_owned())
}

/// The hash that a reference leads to. It is not repeated in a message.
fn read_password(field: &Field<'_>, sources: Sources<'_>, report: &mut Report) -> Option<Hash> {
    let secret = sources.secret(field, report)?;
    // Where secrets are not at hand, that was told.
    if secret.expose().is_empty() {
        return None;
    }
    match Hash::parse(secret.expose()) {
        Ok(hash) => Some(hash),
        Err(unfit) => {
            let message = format!("`password_hash` cannot be used: {unfit}");
            let note = report.error(&field.span, message);
            // A shell that expands `$argon2id` leaves a text that begins otherwise.
            if unfit == crate::password::Unfit::Foreign {
                note.advise(
                    "in a shell or an environment file, put it in single quotes: it holds `$`",
                );
            }
            None
        }
    }
}

fn token_hash(text: &str) -> Result<TokenHash, &'static str> {
    const FORM: &str =
        "it is written as `sha256:` and 64 hexadecimal digits, as `tripline user token` prints it";
    let digits = text.strip_prefix(TOKEN_HASH_PREFIX).ok_or(FORM)?;
    let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| FORM)?;
    bytes.try_into().map_err(|_| FORM)
}

fn hint(key: &str) -> Option<String> {
    match key {
        "password" | "hash" => {
            Some("did you mean `password_hash`, the reference to a hash?".into())
        }
        "token" | "api_token" => Some("did you mean `token_hash`?".into()),
        "roles" | "rights" => Some("did you mean `role`?".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_token_is_read() {
        let text = format!("sha256:{}", "0F".repeat(32));
        assert_eq!(token_hash(&text), Ok([15; 32]));
        for text in ["", "sha256:", "0f", "sha256:zz", &format!("sha512:{}", "0f".repeat(32))] {
            assert!(token_hash(text).is_err(), "{text}");
        }
    }
}

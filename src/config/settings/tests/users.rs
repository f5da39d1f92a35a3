//! Who may come in.

use super::*;
use crate::config::MissingSecrets;
use crate::domain::user::Role;

const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";

fn read_with(
    hash: &str,
    missing_secrets: MissingSecrets,
    text: &str,
) -> (Option<Settings>, Vec<Diagnostic>) {
    let files = Files {
        root: "/project".into(),
        settings: Some(Document::new(FILE, text)),
        modules: Vec::new(),
        diagnostics: Vec::new(),
        edited_at: crate::domain::Timestamp::UNIX_EPOCH,
    };
    let variables = [("HASH".to_owned(), hash.to_owned())];
    read(&files, &Environment { missing_secrets, ..Environment::new(variables) })
}

fn users(text: &str) -> (Vec<User>, Vec<String>) {
    let (settings, diagnostics) = read_with(HASH, MissingSecrets::Refuse, text);
    let told = |it: Diagnostic| {
        let help = it.help.unwrap_or_default();
        format!("{}: {} ({help})", &text[it.span], it.message)
    };
    (settings.map(|it| it.users).unwrap_or_default(), diagnostics.into_iter().map(told).collect())
}

fn user(more: &str) -> String {
    format!("[[user]]\nname = 'ana'\nrole = 'viewer'\n{more}\n")
}

#[test]
fn users_have_a_password_or_a_token() {
    let token = "0f".repeat(32);
    let text = format!(
        "[[user]]\nname = 'Ana Lee'\nrole = 'operator'\npassword_hash = {{ env = 'HASH' }}\n\
         [[user]]\nname = 'grafana'\nrole = 'viewer'\ntoken_hash = 'sha256:{token}'\n\
         [hub]\nlisten = '0.0.0.0:7676'"
    );
    let (users, mistakes) = users(&text);
    assert_eq!(mistakes, Vec::<String>::new());
    let seen: Vec<_> = users
        .iter()
        .map(|it| (it.name.as_str(), it.role, it.password.is_some(), it.token))
        .collect();
    assert_eq!(
        seen,
        [("Ana Lee", Role::Operator, true, None), ("grafana", Role::Viewer, false, Some([15; 32])),]
    );
    assert!(!format!("{users:?}").contains("argon2id"));
}

#[test]
fn mistakes_about_users_are_told() {
    let hash = "password_hash = { env = 'HASH' }";
    let token = format!("token_hash = 'sha256:{}'", "0f".repeat(32));
    for (text, wanted) in [
        (user(""), "nobody can sign in as this user"),
        (user("password = 'x'"), "did you mean `password_hash`"),
        (user("password_hash = 'x'"), "holds a secret in plain text"),
        (user("token_hash = 'x'"), "it is written as `sha256:` and 64"),
        (user(hash) + &user(&token), "there is another user `ana`"),
        (user(&token) + &user(&token).replace("ana", "bo"), "`ana` and `bo` have the same token"),
        (user(hash) + &user(&token).replace("ana", "ANA"), "there is another user `ANA`"),
        (user(hash).replace("viewer", "operater"), "did you mean `operator`?"),
        (user(hash).replace("ana", "a:b"), "nor have marks that are not seen"),
        (user(hash).replace("'ana'", "' ana'"), "must not begin or end with a space"),
        (user(hash).replace("role = 'viewer'", ""), "`role` is missing"),
        ("[users]\nana = 1".to_owned(), "a user is written as `[[user]]`"),
        (user(hash) + "[hub]\nopen_to_acts = true", "lets people in without asking who they are"),
        (user(hash) + "[hub]\nopen_to_network = true", "lets people in without asking who they"),
        ("[hub]\nlisten = '0.0.0.0:80'".to_owned(), "have people sign in with `[[user]]`"),
    ] {
        let (_, mistakes) = users(&text);
        assert!(mistakes.iter().any(|it| it.contains(wanted)), "{text}: {mistakes:#?}");
    }
}

#[test]
fn hashes_that_cannot_be_used_are_not_shown() {
    let text = user("password_hash = { env = 'HASH' }");
    let weak = HASH.replace("19456", "4096");
    for (hash, wanted) in [
        ("hunter2hunter2", "in single quotes"),
        (weak.as_str(), "4096 KiB of memory and 2 passes are guessed too fast"),
        ("$2b$12$KIXhunter2", "it is no hash of a password"),
    ] {
        let (_, diagnostics) = read_with(hash, MissingSecrets::Refuse, &text);
        let all = format!("{diagnostics:?}");
        assert!(all.contains(wanted), "{all}");
        assert!(!all.contains(hash), "{all}");
    }
    // Where secrets are not at hand, that alone is told.
    let text = text.replace("HASH", "OTHER");
    let (settings, diagnostics) = read_with(HASH, MissingSecrets::Warn, &text);
    assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
    assert_eq!(settings.map(|it| it.users.len()), Some(1));
}

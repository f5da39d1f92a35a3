//! `tripline user`: makes what users of a project sign in with.
//!
//! Nothing is stored: whoever writes the project puts it there. A password is never an argument, which everybody
//! on the machine could read.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use data_encoding::HEXLOWER;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use serde_json::json;

use super::args::UserCommand;
use super::exit::Exit;
use super::run::Stop;
use crate::config::settings::TOKEN_HASH_PREFIX;
use crate::link::token::Token;
use crate::password::{Hash, LONGEST_PASSWORD, Unmade};

/// Runs the command.
pub(super) fn run(wanted: &UserCommand) -> Result<Exit, Stop> {
    match wanted {
        UserCommand::Hash => hash(),
        UserCommand::Token { json } => token(*json),
    }
}

fn hash() -> Result<Exit, Stop> {
    let password = password()?;
    let hash = Hash::of(&password).map_err(|unmade| match unmade {
        Unmade::Short | Unmade::Long => Stop::Usage(unmade.to_string()),
        Unmade::NoRandomness => Stop::Broken(unmade.to_string()),
    })?;
    writeln!(anstream::stdout(), "{}", hash.expose())?;
    writeln!(
        anstream::stderr(),
        "Put it into a file, or into an environment variable (in single quotes, because it holds `$`), and \
         refer to it:\n\n  [[user]]\n  name = \"ana\"\n  role = \"operator\"       # or \"viewer\", who sees and does not \
         act\n  password_hash = {{ env = \"ANA_PASSWORD_HASH\" }}"
    )?;
    Ok(Exit::Good)
}

fn token(json: bool) -> Result<Exit, Stop> {
    let token = Token::generate().map_err(|error| Stop::Broken(error.to_string()))?;
    let hash = format!("{TOKEN_HASH_PREFIX}{}", HEXLOWER.encode(&token.digest()));
    let mut out = anstream::stdout();
    if json {
        let both = json!({ "token": token.expose(), "token_hash": hash });
        writeln!(out, "{both:#}")?;
        return Ok(Exit::Good);
    }
    writeln!(out, "{}", token.expose())?;
    writeln!(
        anstream::stderr(),
        "That is the token. It is not shown again. The program sends it as `Authorization: Bearer TOKEN`, \
         and `tripline ack` and the like take it from `TRIPLINE_TOKEN`. Its hash is no secret and belongs \
         into the project:\n\n  [[user]]\n  name = \"grafana\"\n  role = \"viewer\"         # or \"operator\", \
         who acts as well\n  token_hash = \"{hash}\""
    )?;
    Ok(Exit::Good)
}

/// A password, typed twice where somebody types.
fn password() -> Result<String, Stop> {
    if !std::io::stdin().is_terminal() {
        return line();
    }
    let first = typed("Password: ")?;
    if typed("Once more: ")? != first {
        return Err(Stop::Usage("these are two different passwords".to_owned()));
    }
    Ok(first)
}

/// What somebody types at a terminal that does not show it.
fn typed(prompt: &str) -> Result<String, Stop> {
    let mut err = anstream::stderr();
    write!(err, "{prompt}")?;
    err.flush()?;
    let hidden = Hidden::begin()?;
    let line = line();
    drop(hidden);
    writeln!(err)?;
    line
}

/// A line of standard input.
fn line() -> Result<String, Stop> {
    let mut line = Vec::new();
    let longest = u64::try_from(LONGEST_PASSWORD).unwrap_or(u64::MAX) + 2;
    let mut input = std::io::Read::take(std::io::stdin().lock(), longest);
    input.read_until(b'\n', &mut line)?;
    let line = String::from_utf8(line)
        .map_err(|_| Stop::Usage("the password is no valid text (UTF-8)".to_owned()))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> Result<Self, Stop> {
        let before = termios::tcgetattr(std::io::stdin()).map_err(std::io::Error::from)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        let set = termios::tcsetattr(std::io::stdin(), OptionalActions::Flush, &hidden);
        set.map_err(std::io::Error::from)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone cannot be put in order.
        let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

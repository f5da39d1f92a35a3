//! Django's admin: a login with a CSRF form and a session cookie.
//!
//! `GET /admin/` redirects to `/admin/login/?next=/admin/`. The right password is answered 302 to
//! `/admin/`; a wrong one 200 with the form again; a form without its token 403.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::install::{installed, run};
use super::{Target, TempDir};

/// The one user.
pub(crate) const USER: &str = "alice";
/// The user's password.
pub(crate) const PASSWORD: &str = "correct-horse-battery";

const MISSING: &str = "install Python 3 with its venv module (Debian: python3-venv)";

/// Starts an admin of its own, with a database of its own.
pub(crate) async fn django() -> Target {
    let pinned = &[("requirements.txt", include_str!("../../../targets/django/requirements.txt"))];
    let installed = installed("django", pinned, install).await;
    let folder = TempDir::new().expect("a temporary folder");
    copy(&installed.join("site"), folder.path());
    Target::start("Django", folder, "/admin/login/", |port, folder| {
        let mut command = Command::new(installed.join("venv/bin/python"));
        command.current_dir(folder.path()).env("PYTHONUNBUFFERED", "1").args([
            "manage.py",
            "runserver",
            "--noreload",
            &format!("127.0.0.1:{port}"),
        ]);
        command
    })
    .await
}

fn install(folder: &Path) {
    let python = folder.join("venv/bin/python");
    let site = folder.join("site");
    fs::create_dir(&site).expect("target/ can be written");
    let mut command = Command::new("python3");
    run(command.args(["-m", "venv"]).arg(folder.join("venv")), MISSING);
    let mut command = Command::new(&python);
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let only = ["--require-hashes", "--only-binary=:all:", "-r", "requirements.txt"];
    run(command.args(pip).args(only).current_dir(folder), MISSING);
    let mut command = Command::new(&python);
    let create = ["-m", "django", "startproject", "site1", "."];
    run(command.args(create).current_dir(&site), MISSING);
    let settings = site.join("site1/settings.py");
    let mut text = fs::read_to_string(&settings).expect("django made its settings");
    text.push_str("\nALLOWED_HOSTS = [\"127.0.0.1\"]\n");
    fs::write(&settings, text).expect("target/ can be written");
    let mut command = Command::new(&python);
    run(command.args(["manage.py", "migrate", "-v", "0"]).current_dir(&site), MISSING);
    let mut command = Command::new(&python);
    let user = ["createsuperuser", "--noinput", "--username", USER, "--email", "a@example.test"];
    let command = command.arg("manage.py").args(user).env("DJANGO_SUPERUSER_PASSWORD", PASSWORD);
    run(command.current_dir(&site), MISSING);
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the installed site can be read") {
        let entry = entry.expect("the installed site can be read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).expect("a temporary folder can be written");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a temporary folder can be written");
        }
    }
}

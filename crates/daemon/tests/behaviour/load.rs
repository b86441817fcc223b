use unattended_daemon::{Config, ExitClass, MapEnvironment};

use crate::world::World;

fn report(world: &World, name: &str) -> String {
    let error = Config::load(Some(&world.path(name)), &MapEnvironment::default()).unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Configuration);
    world.without_paths(&error.render(false))
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let world = World::new();
    insta::assert_snapshot!(report(&world, "none.toml"), @r"
    error: the configuration cannot be read
    --> DIR/none.toml
     = note: the file does not exist
     = help: correct the path after --config
    ");
}

#[test]
fn a_directory_is_no_configuration() {
    let world = World::new();
    insta::assert_snapshot!(report(&world, ""), @r"
    error: the configuration cannot be read
    --> DIR/
     = note: it is a directory
     = help: name the right file with --config FILE
    ");
}

#[test]
fn a_file_that_is_no_text_is_not_shown() {
    let world = World::new();
    std::fs::write(world.path("unattended.toml"), b"secret = \"hunter2\xff\"").unwrap();
    let report = report(&world, "unattended.toml");
    assert!(!report.contains("hunter2"));
    insta::assert_snapshot!(report, @r"
    error: the configuration cannot be read
    --> DIR/unattended.toml
     = note: the file is not UTF-8 text
     = help: save it as UTF-8
    ");
}

#[test]
fn a_file_of_another_kind_is_not_read_to_its_end() {
    let world = World::new();
    world.write("unattended.toml", &"#".repeat((1 << 20) + 1), 0o600);
    insta::assert_snapshot!(report(&world, "unattended.toml"), @r"
    error: the configuration cannot be read
    --> DIR/unattended.toml
     = note: the file is longer than 1 MiB
     = help: name the right file with --config FILE
    ");
}

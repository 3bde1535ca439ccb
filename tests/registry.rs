//! The passes that are linked into the facade, as `planish passes` lists them: none vanishes, none comes unnoticed.

use std::process::Command;

mod golden;

#[test]
fn the_registry_lists_every_pass() {
    let output = Command::new(env!("CARGO_BIN_EXE_planish"))
        .arg("passes")
        .output()
        .expect("the command line runs");
    assert!(output.status.success());
    golden::compare("passes.txt", &String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_facade_links_what_the_passes_crate_registers() {
    let names: Vec<&str> = planish::core::registry::passes()
        .expect("names are unique")
        .iter()
        .map(|pass| pass.name)
        .collect();
    for step in ["post_training_quantize", "select_hybrid_kernels", "fall_back_to_float"] {
        assert!(names.contains(&step), "{step} is registered");
    }
    let options = planish::ConvertOptions::new().post_training_quantize();
    for step in options.pipeline().expect("the default pipeline").steps() {
        assert!(names.contains(&step.name()), "{} is scheduled, but not registered", step.name());
    }
}

#[test]
fn options_are_printed_as_they_are_read() {
    for pass in planish::core::registry::passes().expect("names are unique") {
        let printed = planish::core::text::print_pipeline([(pass.name, &pass.options())]);
        let parsed = planish::core::PassManager::parse(&printed).expect("what is printed parses");
        assert_eq!(parsed.steps()[0].options(), pass.options(), "{printed}");
    }
}

#[test]
fn every_option_is_explained() {
    for pass in planish::core::registry::passes().expect("names are unique") {
        let options = pass.options();
        let explained: Vec<&str> = pass.about_options.iter().map(|&(option, _)| option).collect();
        assert_eq!(explained, options.keys().collect::<Vec<_>>(), "{}", pass.name);
    }
}

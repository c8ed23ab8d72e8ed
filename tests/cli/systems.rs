use crate::harness::run_with;

#[path = "../shared/head.rs"]
mod head;

#[test]
fn every_config_of_a_product_passes_check_with_the_variables_that_its_head_names() {
    for path in head::systems() {
        let text = std::fs::read_to_string(&path).expect("a config");
        let variables = head::variables(&text);
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let args = [
            "check",
            "--config",
            path.to_str().expect("a path in Unicode"),
        ];
        let ended = run_with(&args, &variables, "");
        assert_eq!(ended.status, 0, "{}: {ended:?}", path.display());
        assert!(
            ended.out.contains("is fine") && ended.err.is_empty(),
            "no warning either: {ended:?}"
        );
        // Nor with one variable less: the head names what is needed, and nothing else.
        for (name, _) in &variables {
            let fewer: Vec<_> = variables
                .iter()
                .filter(|(other, _)| other != name)
                .copied()
                .collect();
            let ended = run_with(&args, &fewer, "");
            let by_default = ["AUTH_MODE"].contains(name);
            assert!(
                by_default || ended.status == 78,
                "{} without {name}: {ended:?}",
                path.display()
            );
        }
    }
}

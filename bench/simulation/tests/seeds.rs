//! The seeds that every test run goes through.

#[test]
fn readers_see_what_the_model_says() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let summary = simulation::run_seeds(0, 2_000, threads);
    println!("{} runs\n{}", summary.runs, summary.counts);
    let failures: Vec<String> = summary.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert_eq!(summary.runs, 2_000);
    assert_eq!(summary.counts.missing(summary.runs), Vec::<&str>::new(), "these happened too seldom");
    assert!(summary.counts.compared() > 200_000, "only {} records were compared", summary.counts.compared());
}

#[test]
fn a_seed_alone_decides_a_run() {
    for seed in [1, 7, 42] {
        let runs = [(); 2].map(|()| simulation::run_seed(seed).map(|report| report.counts));
        let [Ok(first), Ok(second)] = runs else { panic!("seed {seed} fails") };
        assert_eq!(first, second, "seed {seed}");
    }
}

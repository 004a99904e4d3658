//! Two that are compared, measured one right after the other several times: a machine that is shared is not as fast in one minute as in the next.

const PAIRS: usize = 3;

/// What each takes, and how often the first goes into the second: medians over the pairs.
pub struct Compared {
    pub first: f64,
    pub second: f64,
    pub ratio: f64,
}

/// Measures the first (`false`) and the second (`true`) by turns, each of them before the other in its turn.
pub async fn pairs(mut measure: impl AsyncFnMut(bool) -> f64) -> Compared {
    let mut pairs = Vec::new();
    for n in 0..PAIRS {
        let is_turned = n % 2 == 1;
        let (earlier, later) = (measure(is_turned).await, measure(!is_turned).await);
        let (first, second) = if is_turned { (later, earlier) } else { (earlier, later) };
        eprintln!("pair {n}: {first:.3} and {second:.3}");
        pairs.push((first, second));
    }
    let median = |of: fn(&(f64, f64)) -> f64| {
        let mut all: Vec<f64> = pairs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[PAIRS / 2]
    };
    Compared { first: median(|pair| pair.0), second: median(|pair| pair.1), ratio: median(|pair| pair.1 / pair.0) }
}

//! The text that Prometheus would scrape, as numbers.

use std::collections::BTreeMap;

/// One line of a scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// One scrape.
#[derive(Clone, Debug)]
pub struct Scrape {
    pub samples: Vec<Sample>,
    pub text: String,
}

impl Scrape {
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'));
        let sample = |line| sample(line).unwrap_or_else(|| panic!("not a sample: {line}"));
        Self {
            samples: lines.map(sample).collect(),
            text: text.to_owned(),
        }
    }

    /// All samples of a name that carry these labels, added up.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let carries = |sample: &&Sample| {
            let has = |(l, v): &(&str, &str)| sample.labels.get(*l).is_some_and(|x| x == v);
            sample.name == name && labels.iter().all(has)
        };
        self.samples.iter().filter(carries).map(|s| s.value).sum()
    }

    pub fn has(&self, name: &str, labels: &[&str]) -> bool {
        let fits = |s: &Sample| s.name == name && labels.iter().all(|l| s.labels.contains_key(*l));
        self.samples.iter().any(fits)
    }

    /// Names and labels without the numbers.
    pub fn series(&self) -> Vec<String> {
        let name = |s: &Sample| format!("{} {:?}", s.name, s.labels);
        self.samples.iter().map(name).collect()
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (rest, value) = line.rsplit_once(' ')?;
    let (name, labels) = match rest.split_once('{') {
        Some((name, labels)) => (name, parse_labels(labels.strip_suffix('}')?)?),
        None => (rest, BTreeMap::new()),
    };
    Some(Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().ok()?,
    })
}

fn parse_labels(mut text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let (value, rest) = quoted(rest)?;
        labels.insert(name.to_owned(), value);
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some(labels)
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match signs.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

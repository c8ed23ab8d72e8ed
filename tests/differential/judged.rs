//! By which routes the gate judges a case, asked of the gate's own table.

use bailiff::domain::path::Target;
use bailiff::domain::routes::{
    Access, Condition, LetterCase, Methods, Mode, PathRules, Route, RouteTable, Streams,
};
use http::Method;

use crate::generate::Case;
use crate::scene::{Demand, Variant};
use crate::servers::App;

/// The patterns of these routes. None: the gate refuses the case, whoever sends it.
pub fn judged(app: App, case: &Case) -> Vec<String> {
    let Ok(method) = Method::from_bytes(case.method.as_bytes()) else {
        return Vec::new();
    };
    // Pingora writes a space like this before anybody can look.
    let target = case.target.replace(' ', "%20");
    let Ok(target) = Target::parse(target.as_bytes()) else {
        return Vec::new();
    };
    let table = table(app, case.variant);
    let Ok(aliases) = target.path.aliases() else {
        return Vec::new();
    };
    let readings = table.readings(&method, &target.path, &aliases);
    readings
        .iter()
        .flat_map(|readings| readings.iter())
        .map(|reading| reading.route.pattern.text().to_string())
        .collect()
}

fn table(app: App, variant: Variant) -> RouteTable {
    let case = if app.ignores_case() {
        LetterCase::Insensitive
    } else {
        LetterCase::Sensitive
    };
    let rules = PathRules {
        case,
        ..PathRules::default()
    };
    let routes = variant
        .routes()
        .map(|(pattern, demand)| route(pattern, demand))
        .collect();
    RouteTable::new(routes, rules).expect("the routes of the scene do not contradict each other")
}

fn route(pattern: &str, demand: Demand) -> Route {
    let (access, require) = match demand {
        Demand::Anybody => (Access::Public, vec![]),
        Demand::User => (Access::User, vec![]),
        Demand::Admin => (Access::User, vec![Condition::Flag("is_admin".into())]),
        Demand::Nobody => (Access::Deny, vec![]),
    };
    Route {
        pattern: pattern
            .parse()
            .expect("the patterns of the scene are patterns"),
        methods: Methods::Usual,
        access,
        require,
        workspace: Vec::new(),
        mode: Mode::Enforce,
        timeout: None,
        max_body: None,
        forward_token: None,
        streams: Streams::default(),
        allow_suspended: false,
        answer: None,
    }
}

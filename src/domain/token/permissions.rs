//! Clerk's packed permissions: features, permission names, and one bit mask per feature.

/// The most permission names of a token that are read.
const MAX_NAMES: usize = 512;

/// A role, feature or permission that may stand in a comma list in a header.
pub(super) fn is_word(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b':' | b'.');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(plain)
}

/// Unpacks `fea`, `o.per` and `o.fpm` into `org:feature:permission`.
///
/// The i-th mask belongs to the i-th feature. Clerk's page counts all features; its JavaScript library counts only those of the
/// organization. The number of masks shows which count applies. If it fits neither, there are no permissions.
pub(super) fn unpack(features: &str, names: &str, masks: &str) -> Vec<Box<str>> {
    let all: Vec<_> = features
        .split(',')
        .filter_map(|entry| entry.trim().split_once(':'))
        .collect();
    let of_org = |(scope, _): &(&str, &str)| scope.contains('o');
    let names: Vec<_> = names.split(',').map(str::trim).take(MAX_NAMES).collect();
    let masks: Vec<_> = masks.split(',').map(str::trim).collect();
    let in_org: Vec<_> = all.iter().copied().filter(of_org).collect();
    let counted = if masks.len() == in_org.len() {
        in_org
    } else if masks.len() == all.len() {
        all
    } else {
        return vec![];
    };
    let granted = counted
        .iter()
        .zip(masks)
        .filter(|(feature, _)| of_org(feature))
        .flat_map(|((_, feature), mask)| {
            let bits = bits(mask);
            let held = names
                .iter()
                .zip(bits)
                .filter(|(name, bit)| *bit && is_word(name) && is_word(feature));
            held.map(move |(name, _)| format!("org:{feature}:{name}").into())
        });
    granted.collect()
}

/// The bits of a decimal number, lowest first. The number may be longer than any integer type: a mask has one bit per permission
/// of the instance. A text that is not a number has no bits.
fn bits(decimal: &str) -> Vec<bool> {
    if decimal.is_empty()
        || decimal.len() > MAX_NAMES
        || !decimal.bytes().all(|b| b.is_ascii_digit())
    {
        return vec![];
    }
    let mut digits: Vec<u8> = decimal.bytes().map(|b| b - b'0').collect();
    let mut bits = Vec::new();
    while digits.iter().any(|d| *d != 0) && bits.len() < MAX_NAMES {
        let mut remainder = 0;
        for digit in &mut digits {
            let value = remainder * 10 + *digit;
            *digit = value / 2;
            remainder = value % 2;
        }
        bits.push(remainder == 1);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(features: &str, names: &str, masks: &str) -> Vec<String> {
        unpack(features, names, masks)
            .into_iter()
            .map(String::from)
            .collect()
    }

    #[test]
    fn the_example_of_clerks_page_unpacks_as_it_says() {
        assert_eq!(
            unpacked("o:dashboard,o:teams", "manage,read", "3,2"),
            [
                "org:dashboard:manage",
                "org:dashboard:read",
                "org:teams:read"
            ]
        );
    }

    #[test]
    fn a_feature_of_the_user_shifts_nothing_whoever_counts() {
        for masks in ["2", "0,2"] {
            assert_eq!(
                unpacked("u:beta,o:teams", "manage,read", masks),
                ["org:teams:read"],
                "{masks}"
            );
        }
        assert!(
            unpacked("u:beta,o:teams,u:x", "manage,read", "1,2").is_empty(),
            "undecidable means none"
        );
    }

    #[test]
    fn masks_longer_than_any_integer_work_and_nonsense_grants_nothing() {
        let names = (0..200)
            .map(|i| format!("p{i}"))
            .collect::<Vec<_>>()
            .join(",");
        // 2^199
        let mask = "803469022129495137770981046170581301261101496891396417650688";
        assert_eq!(unpacked("o:f", &names, mask), ["org:f:p199"]);
        for bad in ["", "-1", "0x1", "1.0", "x"] {
            assert!(unpacked("o:f", "read", bad).is_empty(), "{bad}");
        }
        assert!(unpacked("o:f", "re ad", "1").is_empty());
    }
}

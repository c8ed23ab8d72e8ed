//! The stable codes of faults, which documentation and `explain` refer to.

macro_rules! codes {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        /// The stable name of a kind of fault. Numbers are never given to something else.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $text] $name,)*
        }

        impl Code {
            /// All codes, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// `B001`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What the code means, in one sentence.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

// To add a code, add a line. B012 belongs to the running gate.
codes! {
    UnknownKey = "B001", "A key is not known at this place, so it would silently do nothing.";
    WrongValue = "B002", "A value is of the wrong type, is empty, or lies outside what is allowed.";
    AddressTaken = "B003", "Another process already listens on the address.";
    MissingKey = "B004", "A key that has no default is missing.";
    DuplicateKey = "B005", "A key stands twice in one mapping, and only one of them could count.";
    Unreadable = "B006", "A file cannot be read, is empty, or is not UTF-8 text.";
    Syntax = "B007", "The text is not YAML, or uses a part of YAML that the config does not allow.";
    MissingVariable = "B008", "An environment variable that the config names is not set or is empty.";
    Secret = "B009", "A secret is weak, has the wrong form, or is of another kind than this place needs.";
    Route = "B010", "A route is wrong by itself or together with another one.";
    Contradiction = "B011", "Two settings are each right and cannot both hold.";
    ExposedFile = "B013", "A file with a secret can be read by every user of the machine.";
    Reference = "B014", "A `${...}` is not one of the forms that are replaced, or is not the whole value.";
    Bound = "B015", "A file is larger, deeper or longer than bailiff is willing to read.";
    AuthDisabled = "B016", "Authentication is switched off, or shall be where that is not allowed.";
    Clock = "B021", "This machine's clock and the issuer's differ, so tokens are refused too early or too late.";
    KeysUnreachable = "B022", "The keys of an issuer cannot be fetched, so none of its tokens can be checked.";
    OtherInstance = "B023", "The secret key is of another Clerk instance than the publishable key.";
    SecretKey = "B024", "The secret key opens nothing at Clerk's Backend API, or nobody answers there.";
    Membership = "B025", "The source of the membership does not answer, or gives what cannot be used.";
    UpstreamDown = "B030", "The upstream does not accept connections, so every request that is let through gets 502.";
    Unchecked = "B090", "A mistake in bailiff itself: a part of the config was read without looking for unknown keys.";
}

//! A macro of the public API: methods of an enum that call the same method of whichever variant.
//! `livekit` uses it for its own enums, so its grammar is part of the interface.

/// Writes methods that forward to the value held by each variant.
///
/// ```text
/// enum_dispatch!(
///     [Audio, Video];
///     pub fn id(self: &Self) -> String;
/// );
/// ```
#[macro_export]
macro_rules! enum_dispatch {
    ($variants:tt; $($(#[$meta:meta])* $vis:vis fn $name:ident $args:tt -> $ret:ty;)+) => {
        $( $crate::enum_dispatch!(@method $variants [$(#[$meta])*] $vis $name $args $ret); )+
    };

    // The list of variants travels as one token tree, so that it may be repeated inside the arms.
    (@method $variants:tt [$(#[$meta:meta])*] $vis:vis $name:ident
        ($this:ident: $this_ty:ty $(, $arg:ident: $arg_ty:ty)* $(,)?) $ret:ty) => {
        $(#[$meta])*
        #[inline]
        $vis fn $name($this: $this_ty $(, $arg: $arg_ty)*) -> $ret {
            $crate::enum_dispatch!(@arms $variants $this $name ($($arg),*))
        }
    };

    (@arms [$($variant:ident),+ $(,)?] $this:ident $name:ident $call:tt) => {
        match $this {
            $( Self::$variant(inner) => inner.$name $call, )+
        }
    };
}

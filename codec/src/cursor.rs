//! The bounds-checked reader that every binary format decodes through.

//! JSON: validation and member scanning without building a tree.

//! adagio

//! `dslc lsp`: the language server's protocol around [`crate::editor`]: documents, positions, requests, answers.

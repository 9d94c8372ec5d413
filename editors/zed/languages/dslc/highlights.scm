; Written by tree-sitter-dslc/queries.py from tree-sitter-dslc/queries/highlights.scm.

(name) @variable
(path) @property
((path) @variable.special (#match? @variable.special "^in\\."))
((name) @boolean (#any-of? @boolean "true" "false"))
((name) @keyword (#any-of? @keyword "and" "or"))

(property key: (name) @property)

; Any word may begin a statement; these are the language's own, the others are layers, blocks and settings.
(statement word: (name) @function)
(statement word: (path) @property)
(clause word: (name) @keyword)
(statement word: (name) @keyword (#eq? @keyword "use"))
(statement word: (name) @keyword (#any-of? @keyword "let" "block" "model" "data" "train" "expect" "residual" "branch" "output" "auxiliary" "from" "share"))
(statement word: (name) @keyword (#any-of? @keyword "repeat" "for"))
(statement word: (name) @keyword (#eq? @keyword "if"))
(clause word: (name) @keyword (#eq? @keyword "else"))
(clause word: (name) @keyword (#eq? @keyword "shortcut"))
(clause word: (name) @_else . (name) @keyword (#eq? @_else "else") (#eq? @keyword "if"))
(statement word: (name) @_for . (name) @variable . (name) @keyword (#eq? @_for "for") (#eq? @keyword "in"))

(statement word: (name) @_block . (name) @function (#eq? @_block "block"))
(statement word: (name) @_block . (call name: (name) @function) (#eq? @_block "block"))
(statement word: (name) @_model . (name) @type (#eq? @_model "model"))
(statement word: (name) @_model . (call name: (name) @type) (#eq? @_model "model"))
(statement word: (name) @_let . (property key: (name) @constant) (#eq? @_let "let"))

(parameters (name) @variable.parameter)
(parameters (property key: (name) @variable.parameter))
(alias "as" @keyword name: (name) @variable)

(extent) @number
(number) @number
(assertion shape: (_) @type)
(assertion ":" @punctuation.delimiter)
(text) @string
(comment) @comment
(doc_comment) @comment.doc

["->" "=" "==" "!=" "<=" ">=" "<" ">" "+" "-" "*" "//" "/" "%"] @operator
["," ";"] @punctuation.delimiter
["{" "}" "[" "]" "(" ")"] @punctuation.bracket

; Written by tree-sitter-dslc/queries.py from tree-sitter-dslc/queries/highlights.scm.

(name) @variable
(path) @variable.other.member
((path) @variable.builtin (#match? @variable.builtin "^in\\."))
((name) @constant.builtin.boolean (#any-of? @constant.builtin.boolean "true" "false"))
((name) @keyword.operator (#any-of? @keyword.operator "and" "or"))

(property key: (name) @variable.other.member)

; Any word may begin a statement; these are the language's own, the others are layers, blocks and settings.
(statement word: (name) @function)
(statement word: (path) @variable.other.member)
(clause word: (name) @keyword)
(statement word: (name) @keyword.control.import (#eq? @keyword.control.import "use"))
(statement word: (name) @keyword (#any-of? @keyword "let" "block" "model" "data" "train" "expect" "residual" "branch" "output" "auxiliary" "from" "share"))
(statement word: (name) @keyword.control.repeat (#any-of? @keyword.control.repeat "repeat" "for"))
(statement word: (name) @keyword.control.conditional (#eq? @keyword.control.conditional "if"))
(clause word: (name) @keyword.control.conditional (#eq? @keyword.control.conditional "else"))
(clause word: (name) @keyword (#eq? @keyword "shortcut"))
(clause word: (name) @_else . (name) @keyword.control.conditional (#eq? @_else "else") (#eq? @keyword.control.conditional "if"))
(statement word: (name) @_for . (name) @variable . (name) @keyword.control.repeat (#eq? @_for "for") (#eq? @keyword.control.repeat "in"))

(statement word: (name) @_block . (name) @function (#eq? @_block "block"))
(statement word: (name) @_block . (call name: (name) @function) (#eq? @_block "block"))
(statement word: (name) @_model . (name) @type (#eq? @_model "model"))
(statement word: (name) @_model . (call name: (name) @type) (#eq? @_model "model"))
(statement word: (name) @_let . (property key: (name) @constant) (#eq? @_let "let"))

(parameters (name) @variable.parameter)
(parameters (property key: (name) @variable.parameter))
(alias "as" @keyword name: (name) @variable)

(extent) @constant.numeric
(number) @constant.numeric
(assertion shape: (_) @type)
(assertion ":" @punctuation.delimiter)
(text) @string
(comment) @comment
(doc_comment) @comment.line.documentation

["->" "=" "==" "!=" "<=" ">=" "<" ">" "+" "-" "*" "//" "/" "%"] @operator
["," ";"] @punctuation.delimiter
["{" "}" "[" "]" "(" ")"] @punctuation.bracket

; Names of captures as in Neovim (`:help treesitter-highlight-groups`). Later patterns win.

(name) @variable
(path) @variable.member
((path) @variable.builtin (#match? @variable.builtin "^in\\."))
((name) @boolean (#any-of? @boolean "true" "false"))
((name) @keyword.operator (#any-of? @keyword.operator "and" "or"))

(property key: (name) @property)

; Any word may begin a statement; these are the language's own, the others are layers, blocks and settings.
(statement word: (name) @function.call)
(statement word: (path) @variable.member)
(clause word: (name) @keyword)
(statement word: (name) @keyword.import (#eq? @keyword.import "use"))
(statement word: (name) @keyword (#any-of? @keyword "let" "block" "model" "data" "train" "expect" "residual" "branch" "output" "auxiliary" "from" "share"))
(statement word: (name) @keyword.repeat (#any-of? @keyword.repeat "repeat" "for"))
(statement word: (name) @keyword.conditional (#eq? @keyword.conditional "if"))
(clause word: (name) @keyword.conditional (#eq? @keyword.conditional "else"))
(clause word: (name) @keyword (#eq? @keyword "shortcut"))
(clause word: (name) @_else . (name) @keyword.conditional (#eq? @_else "else") (#eq? @keyword.conditional "if"))
(statement word: (name) @_for . (name) @variable . (name) @keyword.repeat (#eq? @_for "for") (#eq? @keyword.repeat "in"))

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
(doc_comment) @comment.documentation

["->" "=" "==" "!=" "<=" ">=" "<" ">" "+" "-" "*" "//" "/" "%"] @operator
["," ";"] @punctuation.delimiter
["{" "}" "[" "]" "(" ")"] @punctuation.bracket

" Colours for .model and .net files where no tree-sitter parser is installed. Any word may begin a statement: it
" follows a line's start, `;`, `->` or a brace.
if exists('b:current_syntax')
  finish
endif

syntax case match
syntax match dslcLayer /\%(^\|[;{}]\|->\)\@4<=\s*\h\w*\(\.\h\w*\)*/
syntax match dslcSection /\%(^\|[;{}]\|->\)\@4<=\s*\%(use\|let\|block\|model\|data\|train\|expect\)\>\.\@!/ nextgroup=dslcName skipwhite
syntax match dslcFlow /\%(^\|[;{}]\|->\)\@4<=\s*\%(repeat\|for\|if\|residual\|branch\|output\|auxiliary\|from\|share\)\>\.\@!/
syntax match dslcFlow /}\@1<=\s*\%(else\%(\s\+if\>\)\?\|shortcut\|as\)\>/
syntax match dslcName /\h\w*/ contained
syntax match dslcFlow /\<in\>\.\@!/
syntax match dslcFlow /\<as\>\ze\s\+\h/
syntax match dslcIncoming /\<in\.\h\w*/
syntax match dslcKey /\<\h\w*\ze\s*==\@!/
syntax keyword dslcWordOperator and or
syntax keyword dslcBoolean true false
syntax match dslcOperator /->\|[<>=!]=\|[-+*/%<>=]/
syntax match dslcNumber /\<\d\+\%(x\d\+\)\+\>/
syntax match dslcNumber /\<\d\+\%(\.\d\+\)\?\%([eE][-+]\?\d\+\)\?\%(kB\|MB\|GB\|B\|k\|M\|G\|ms\|us\|s\|min\|h\|%\)\?\%(\w\|\.\)\@!/
syntax match dslcShape /:\s*\d\+\%(x\d\+\)*\>/hs=s+1
syntax match dslcText /"[^"]*\%("\|$\)/
syntax region dslcGroup start=/(/ end=/)\|\ze[{}]/ contains=@dslcValues
syntax region dslcList start=/\[/ end=/\]\|\ze[{}]/ contains=@dslcValues
syntax match dslcComment /#.*/ contains=dslcTodo,@Spell
syntax match dslcDoc /##.*/ contains=dslcTodo,@Spell
syntax keyword dslcTodo TODO FIXME contained
syntax cluster dslcValues contains=dslcGroup,dslcList,dslcIncoming,dslcKey,dslcBoolean,dslcOperator,dslcNumber,dslcText,dslcComment,dslcDoc

highlight default link dslcLayer Function
highlight default link dslcSection Keyword
highlight default link dslcFlow Statement
highlight default link dslcName Identifier
highlight default link dslcIncoming Special
highlight default link dslcKey Identifier
highlight default link dslcWordOperator Operator
highlight default link dslcBoolean Boolean
highlight default link dslcOperator Operator
highlight default link dslcNumber Number
highlight default link dslcShape Type
highlight default link dslcText String
highlight default link dslcComment Comment
highlight default link dslcDoc SpecialComment
highlight default link dslcTodo Todo

let b:current_syntax = 'dslc'

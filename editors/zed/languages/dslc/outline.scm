(statement word: (name) @context . [(name) @name (call name: (name) @name)] (block)
  (#any-of? @context "block" "model")) @item
(statement word: (name) @name . (block) (#any-of? @name "data" "train" "expect")) @item

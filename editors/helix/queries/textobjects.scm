(statement (block) @function.inside) @function.around
[(property) (list) (call)] @parameter.inside
(comment)+ @comment.around

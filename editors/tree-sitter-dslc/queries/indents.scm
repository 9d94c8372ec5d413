[(block) (list) (parameters)] @indent.begin
["}" "]" ")"] @indent.branch @indent.end

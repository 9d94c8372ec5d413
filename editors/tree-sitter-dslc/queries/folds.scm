[(block) (list) (parameters)] @fold

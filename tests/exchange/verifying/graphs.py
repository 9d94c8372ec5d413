"""What `dslc graph --stage fused` prints of two files -> whether both are the same network after the passes.

Names, comments and the order in which nodes stand are left out: a node is its operator, its attributes, its shape and the
nodes that it takes.
"""

import re

LINE = re.compile(r"%(\d+) = (\w+) ([^{:]*)(\{.*\})? ?: (\S+)")


def canonical(text):
    """The output's node, written out, and every node with its operator."""
    known, nodes = {}, []
    for line in text.splitlines():
        line = line.split(" # ")[0].rstrip()
        if line.startswith("output"):
            return known[line.rsplit("%", 1)[1]], nodes
        at, op, operands, attributes, shape = LINE.fullmatch(line).groups()
        inputs = [known[operand] for operand in re.findall(r"%(\d+)", operands)]
        own = f"{op} {attributes or ''} {shape}"
        known[at] = hash((own, *inputs))
        nodes.append((own, known[at]))
    raise AssertionError("a graph without output")


def difference(ours, theirs):
    """The first node that only one of two graphs has, or None."""
    (end, nodes), (other_end, others) = canonical(ours), canonical(theirs)
    if end == other_end:
        return None
    missing = [own for own, key in nodes if key not in {key for _, key in others}]
    added = [own for own, key in others if key not in {key for _, key in nodes}]
    return f"{len(nodes)} and {len(others)} nodes; before: {'; '.join(missing[:2])}; after: {'; '.join(added[:2])}"

// The grammar of ../../grammar/dslc.pest for tree-sitter, rule by rule under the same names where an editor wants to
// see them. Where a line ends, and whether a number is well-formed, is decided in src/scanner.c: both need a look at
// what follows.

const comma_list = ($, item) =>
  seq(repeat($._newline), optional(seq(
    item, repeat(seq(',', repeat($._newline), item)), optional(','), repeat($._newline),
  )));

const entries = $ =>
  [repeat($._end), optional(seq($.chain, repeat(seq(repeat1($._end), $.chain)), repeat($._end)))];

module.exports = grammar({
  name: 'dslc',

  externals: $ => [$._newline, $._line_goes_on, $.extent, $._integer, $._number],
  extras: $ => [/[ \t\r]/, $.doc_comment, $.comment],
  word: $ => $.name,
  supertypes: $ => [$._value],

  rules: {
    source_file: $ => seq(optional('\uFEFF'), ...entries($)),

    _end: $ => choice($._newline, ';'),

    chain: $ => seq($._link, repeat(seq($._arrow, $._link))),
    _arrow: $ => seq(repeat($._line_goes_on), '->', repeat($._newline)),
    _link: $ => seq($.statement, optional($.alias), optional($.assertion)),
    alias: $ => seq('as', field('name', $.name)),
    assertion: $ => seq(':', field('shape', choice($.extent, alias($._integer, $.number)))),

    statement: $ => seq(field('word', $._word), repeat($._argument), optional(seq($.block, repeat($.clause)))),
    clause: $ => seq(field('word', $.name), repeat($._argument), $.block),
    block: $ => seq('{', ...entries($), '}'),

    _argument: $ => choice($.property, $.relation, $._value),
    property: $ => seq(field('key', $.name), '=', field('value', $._value)),
    relation: $ => seq(field('compare', choice('==', '!=', '<=', '>=', '<', '>')), field('value', $._value)),

    _value: $ => choice($.extent, $.number, $.call, $.name, $.path, $.list, $.group, $.text),
    list: $ => seq('[', comma_list($, $._value), ']'),
    call: $ => seq(field('name', $.name), $.parameters),
    parameters: $ => seq(token.immediate('('), comma_list($, choice($.property, $.list, $.text, $._expression)), ')'),

    group: $ => seq('(', $._expression, ')'),
    _expression: $ => choice($.sum, $.product, $.negation, $._factor),
    sum: $ => prec.left(1, seq($._expression, choice('+', '-'), $._expression)),
    product: $ => prec.left(2, seq($._expression, choice('*', '//', '/', '%'), $._expression)),
    negation: $ => prec(3, seq('-', $._factor)),
    _factor: $ => choice($.group, $.extent, $.number, $.call, $.name, $.path),

    number: $ => choice($._integer, $._number),
    text: _ => /"[^"\n]*"/,
    _word: $ => choice($.name, $.path),
    name: _ => /[A-Za-z_][A-Za-z0-9_]*/,
    path: _ => /[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+/,

    doc_comment: _ => token(prec(1, /##[^\n]*/)),
    comment: _ => /#[^\n]*/,
  },
});

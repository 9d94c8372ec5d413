// What the grammar's tokens cannot say: whether a line's end ends the statement (not where the next thing is `->`),
// and whether a number ends where it should (`64abc` is none).

#include "tree_sitter/parser.h"

enum Token { NEWLINE, LINE_GOES_ON, EXTENT, INTEGER, NUMBER };

static bool is_digit(int32_t c) { return c >= '0' && c <= '9'; }

static bool is_word_char(int32_t c) {
    return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_blank(int32_t c) { return c == ' ' || c == '\t' || c == '\r'; }

static void digits(TSLexer *lexer) {
    while (is_digit(lexer->lookahead)) lexer->advance(lexer, false);
}

static bool took(TSLexer *lexer, int32_t c) {
    if (lexer->lookahead != c) return false;
    lexer->advance(lexer, false);
    return true;
}

// At a line's end: behind the blanks, comments and empty lines that follow, is there an arrow?
static bool arrow_follows(TSLexer *lexer) {
    for (;;) {
        if (is_blank(lexer->lookahead) || lexer->lookahead == '\n') {
            lexer->advance(lexer, false);
        } else if (lexer->lookahead == '#') {
            while (!lexer->eof(lexer) && lexer->lookahead != '\n') lexer->advance(lexer, false);
        } else {
            return took(lexer, '-') && lexer->lookahead == '>';
        }
    }
}

static bool line_end(TSLexer *lexer, const bool *valid) {
    lexer->advance(lexer, false);
    lexer->mark_end(lexer);
    // In an open list both are looked for only after a mistake.
    if (valid[LINE_GOES_ON] && arrow_follows(lexer)) {
        lexer->result_symbol = LINE_GOES_ON;
        return true;
    }
    lexer->result_symbol = NEWLINE;
    return valid[NEWLINE];
}

// A unit, or none; false for the beginning of one.
static bool unit(TSLexer *lexer) {
    if (took(lexer, '%') || took(lexer, 'B') || took(lexer, 's') || took(lexer, 'h')) return true;
    if (took(lexer, 'k') || took(lexer, 'M') || took(lexer, 'G')) {
        took(lexer, 'B');
        return true;
    }
    if (took(lexer, 'u')) return took(lexer, 's');
    if (took(lexer, 'm')) return took(lexer, 's') || (took(lexer, 'i') && took(lexer, 'n'));
    return true;
}

static bool number(TSLexer *lexer, const bool *valid) {
    bool negative = took(lexer, '-');
    if (!is_digit(lexer->lookahead)) return false;
    digits(lexer);
    int32_t next = lexer->lookahead;
    if (!negative && next == 'x' && valid[EXTENT]) {
        while (took(lexer, 'x')) {
            if (!is_digit(lexer->lookahead)) return false;
            digits(lexer);
        }
        lexer->result_symbol = EXTENT;
        return !is_word_char(lexer->lookahead);
    }
    if (!negative && !is_word_char(next) && next != '.' && next != '%' && valid[INTEGER]) {
        lexer->result_symbol = INTEGER;
        return true;
    }
    if (!valid[NUMBER]) return false;
    if (took(lexer, '.')) {
        if (!is_digit(lexer->lookahead)) return false;
        digits(lexer);
    }
    if (took(lexer, 'e') || took(lexer, 'E')) {
        took(lexer, '+') || took(lexer, '-');
        if (!is_digit(lexer->lookahead)) return false;
        digits(lexer);
    }
    lexer->result_symbol = NUMBER;
    return unit(lexer) && !is_word_char(lexer->lookahead) && lexer->lookahead != '.';
}

bool tree_sitter_dslc_external_scanner_scan(void *payload, TSLexer *lexer, const bool *valid) {
    (void)payload;
    while (is_blank(lexer->lookahead)) lexer->advance(lexer, true);
    if (lexer->lookahead == '\n') return line_end(lexer, valid);
    if (is_digit(lexer->lookahead) || lexer->lookahead == '-') return number(lexer, valid);
    return false;
}

void *tree_sitter_dslc_external_scanner_create(void) { return 0; }
void tree_sitter_dslc_external_scanner_destroy(void *payload) { (void)payload; }
unsigned tree_sitter_dslc_external_scanner_serialize(void *payload, char *buffer) {
    (void)payload;
    (void)buffer;
    return 0;
}
void tree_sitter_dslc_external_scanner_deserialize(void *payload, const char *buffer, unsigned length) {
    (void)payload;
    (void)buffer;
    (void)length;
}

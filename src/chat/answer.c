/* answer.c - the machine that finds a format's marks in a stream of text.
 *
 * Text that has come is held until it is clear what it is. Outside of a block it is searched for the first mark; what
 * cannot be the beginning of one goes out, but for space at its end, which is dropped if a mark follows. From a block's
 * first mark on everything is held, with the space before it, until its end; then it is calls, or text as it stands.
 * Each byte is looked at a bounded number of times. */
#include "src/base/context.h"
#include "src/base/error.h"
#include "src/chat/answer.h"

enum { MAX_SPACE = 256, PIECE = 1024 };

static const struct marks usual_think = { "<think>", "</think>" };

struct infer_chat_parser {
    const infer_allocator *a;
    infer_context *context;
    struct infer_chat_template base; /* what a rendering needs: an allocator; calls are read with one */
    const struct answer_format *format;
    const struct call_block *blocks; /* MAX_BLOCKS, of the format */
    infer_chat_part_fn *on_part;
    void *user;
    char *tools;
    bool no_calls, failed;

    char *held;
    size_t n, room;
    const char *think_end;          /* within reasoning: the mark that ends it */
    const struct call_block *block; /* within a block */
    size_t space, body;             /* bytes before the block's first mark; to what the block holds */
    size_t scanned;                 /* of the block; the next four are where the scan stands */
    unsigned depth;
    bool in_string, escaped, opened;
    bool any, skip_space; /* content has come; space that comes next is dropped */
};

static void give(struct infer_chat_parser *p, infer_chat_part part, const char *text, size_t n)
{
    if (p->on_part && (n || part >= INFER_CHAT_CALL))
        p->on_part(p->user, part, text, n);
}

static void drop(struct infer_chat_parser *p, size_t n)
{
    p->n -= n;
    memmove(p->held, p->held + n, p->n);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Space after a mark or a call, which is dropped. */
static bool is_between(const struct infer_chat_parser *p, char c)
{
    return is_blank(c) || (c && c == p->format->between);
}

/* The first n bytes held are text of the part that we are in. */
static void give_text(struct infer_chat_parser *p, size_t n)
{
    size_t from = 0;
    while (p->skip_space && from < n && is_between(p, p->held[from]))
        from++;
    if (from < n) {
        p->skip_space = false;
        p->any |= !p->think_end;
        give(p, p->think_end ? INFER_CHAT_REASONING : INFER_CHAT_CONTENT, p->held + from, n - from);
    }
    drop(p, n);
}

/* ---- Outside of blocks ---- */

struct found {
    size_t at, length; /* of the mark; at == n: there is none, and from here on may be the beginning of one */
    const struct call_block *block; /* the mark begins one */
    const struct marks *think;      /* or reasoning */
};

/* A mark: the leftmost counts, of several there the longest. */
static void look_for(const struct infer_chat_parser *p, const char *mark, struct found *f,
                     const struct call_block *block, const struct marks *think)
{
    const size_t n = mark ? strlen(mark) : 0;
    if (!n)
        return;
    const char *at = memmem(p->held, p->n, mark, n);
    const size_t place = at ? (size_t)(at - p->held) : p->n;
    if (at && (place < f->at || (place == f->at && n > f->length)))
        *f = (struct found){ place, n, block, think };
}

/* The least place from which the text may be the beginning of a mark that goes on. */
static void look_for_begin(const struct infer_chat_parser *p, const char *mark, size_t *keep)
{
    const size_t n = mark ? strlen(mark) : 0;
    for (size_t i = p->n < n ? 0 : p->n - n + 1; n && i < *keep; i++)
        if (p->held[i] == *mark && !memcmp(p->held + i, mark, p->n - i)) {
            *keep = i;
            break;
        }
}

/* All marks that mean something where we are, each to `mark` with what it begins. */
typedef void mark_fn(const struct infer_chat_parser *p, const char *mark, struct found *f,
                     const struct call_block *block, const struct marks *think);

static void each_mark(const struct infer_chat_parser *p, struct found *f, mark_fn *mark)
{
    const struct answer_format *format = p->format;
    if (p->think_end) {
        mark(p, p->think_end, f, NULL, NULL);
    } else {
        mark(p, usual_think.begin, f, NULL, &usual_think);
        mark(p, usual_think.end, f, NULL, NULL); /* of reasoning that began in the prompt */
        mark(p, format->think.begin, f, NULL, &format->think);
        mark(p, format->think.end, f, NULL, NULL);
        for (size_t i = 0; i < MAX_DROPPED && format->dropped[i]; i++)
            mark(p, format->dropped[i], f, NULL, NULL);
    }
    for (size_t i = 0; i < MAX_BLOCKS && p->blocks[i].begin && !p->no_calls; i++)
        if (!p->blocks[i].whole)
            mark(p, p->blocks[i].begin, f, &p->blocks[i], NULL);
}

static void mark_begin(const struct infer_chat_parser *p, const char *mark, struct found *f,
                       const struct call_block *block, const struct marks *think)
{
    (void)block, (void)think;
    look_for_begin(p, mark, &f->at);
}

/* Where the space begins that stands before a place; as far as any is held back. */
static size_t blank_before(const struct infer_chat_parser *p, size_t at)
{
    const size_t least = at < MAX_SPACE ? 0 : at - MAX_SPACE;
    while (at > least && is_blank(p->held[at - 1]))
        at--;
    return at;
}

static void enter_block(struct infer_chat_parser *p, const struct call_block *block, size_t space, size_t body)
{
    p->block = block;
    p->space = space;
    p->body = p->scanned = body;
    p->depth = 0;
    p->in_string = p->escaped = p->opened = false;
}

/* A block that is a whole answer: true while it is one, or may become one. */
static bool whole_block(struct infer_chat_parser *p, bool end)
{
    size_t at = 0;
    while (at < p->n && (p->skip_space ? is_between(p, p->held[at]) : is_blank(p->held[at])))
        at++;
    for (size_t i = 0; i < MAX_BLOCKS && !p->any && !p->no_calls && !p->think_end; i++) {
        const struct call_block *block = &p->blocks[i];
        if (!block->begin || !block->whole || (at == p->n && end))
            continue;
        if (at == p->n)
            return true;
        if (p->held[at] == *block->begin) {
            enter_block(p, block, at, at);
            return true;
        }
    }
    return false;
}

/* true: something was found, and there may be more */
static bool outside(struct infer_chat_parser *p, bool end)
{
    struct found f = { p->n, 0, NULL, NULL };
    if (!p->n || whole_block(p, end))
        return p->block != NULL;
    each_mark(p, &f, look_for);
    if (!f.length) {
        if (!end)
            each_mark(p, &f, mark_begin);
        give_text(p, end && !p->think_end ? p->n : blank_before(p, f.at));
        if (end)
            p->n = 0;
        return false;
    }
    if (!end) { /* one that has not ended yet may begin before it, or a longer one at the same place */
        struct found begun = { f.at + 1, 0, NULL, NULL };
        each_mark(p, &begun, mark_begin);
        if (begun.at <= f.at) {
            give_text(p, blank_before(p, begun.at));
            return false;
        }
    }
    const size_t text = blank_before(p, f.at);
    if (f.block) {
        const size_t space = f.at - text;
        give_text(p, text);
        enter_block(p, f.block, space, space + f.length);
        return true;
    }
    give_text(p, text);
    drop(p, f.at - text + f.length);
    p->think_end = f.think ? f.think->end : NULL;
    p->skip_space = true;
    return true;
}

/* ---- Within blocks ---- */

/* A block whose calls have a last mark ends after one: before that, its own last mark is part of a value. */
static bool within_call(const struct infer_chat_parser *p, size_t at)
{
    const struct call_block *b = p->block;
    const struct call_tags *t = b->ways[0].syntax == CALLS_TAGS ? b->ways[0].tags : NULL;
    if (!t || !t->key || !*t->call_end)
        return false;
    const struct text body = text_trim((struct text){ p->held + p->body, at - p->body }, TRIM_LEFT | TRIM_RIGHT, NULL);
    const size_t n = strlen(t->call), n_end = strlen(t->call_end);
    return body.n >= n && !memcmp(body.p, t->call, n) &&
           (body.n < n_end || memcmp(body.p + body.n - n_end, t->call_end, n_end));
}

/* Brackets and strings of JSON; true after the last bracket. */
static bool scan_json(struct infer_chat_parser *p, char c)
{
    const bool first = c == '[' && !p->opened && blank_before(p, p->scanned) <= p->body;
    p->in_string = p->depth && c == '"';
    if (c == '{' || (c == '[' && (p->depth || first))) {
        p->opened = true;
        p->depth++;
    } else if (p->depth && (c == '}' || c == ']')) {
        return !--p->depth;
    }
    return false;
}

/* Looks at what has come: true if the block is at its end, *end, with *mark bytes of mark after it. Strings of JSON
 * hide marks. *again: its first mark stands there once more, so what came before is no call. */
static bool scan(struct infer_chat_parser *p, size_t *end, size_t *mark, size_t *again)
{
    const struct call_block *b = p->block;
    const enum call_syntax syntax = b->ways[0].syntax;
    const bool json = syntax == CALLS_JSON || syntax == CALLS_KEYED || (syntax == CALLS_TAGS && !b->ways[0].tags->key);
    const bool json_only = syntax == CALLS_JSON && !b->end && b->ways[1].syntax == CALLS_NONE;
    const size_t n_end = b->end ? strlen(b->end) : 0, n_begin = strlen(b->begin);
    for (; p->scanned < p->n; p->scanned++) {
        const size_t i = p->scanned, left = p->n - i;
        const char c = p->held[i];
        if (p->in_string) {
            p->in_string = p->escaped || c != '"';
            p->escaped = !p->escaped && c == '\\';
            continue;
        }
        if (n_end && ((left < n_end && !memcmp(p->held + i, b->end, left)) ||
                      (json && left < n_begin && !memcmp(p->held + i, b->begin, left))))
            return false;
        if (n_end && left >= n_end && !memcmp(p->held + i, b->end, n_end) && !within_call(p, i))
            return *end = i, *mark = n_end, true;
        if (json && n_end && left >= n_begin && !memcmp(p->held + i, b->begin, n_begin))
            return *again = i, true;
        if (json_only && !p->opened && !is_blank(c) && c != '{' && c != '[')
            return *end = i, true;
        if (json && scan_json(p, c) && !n_end)
            return *end = i + 1, true;
    }
    return false;
}

/* Calls that the block holds up to `end`, or nothing if it holds none. */
static infer_status take_calls(struct infer_chat_parser *p, size_t end, bool *good, infer_error *err)
{
    struct render r;
    infer_error why = { 0 };
    const struct text body = { p->held + p->body, end > p->body ? end - p->body : 0 };
    render_open(&r, &p->base, &default_limits, &why);
    const struct value tools = p->tools ? value_parse_json(&r, text_of(p->tools), "tools") : value_none();
    const struct value calls = read_calls(&r, p->block, body, tools);
    *good = calls.type == V_LIST && list_count(calls);
    for (size_t i = 0; *good && i < calls.u.list->n; i++) {
        const struct value *call = calls.u.list->items[i].u.list->items;
        give(p, INFER_CHAT_CALL, call[0].u.s.p, call[0].u.s.n);
        give(p, INFER_CHAT_ARGUMENTS, call[1].u.s.p, call[1].u.s.n);
    }
    render_close(&r);
    return why.code == INFER_E_NOMEM ? fail_memory(err, "a call of a tool") : INFER_OK;
}

/* true: the block is done, and there may be more */
static bool inside(struct infer_chat_parser *p, bool at_end, infer_status *status, infer_error *err)
{
    size_t end = p->n, mark = 0, again = SIZE_MAX;
    bool good = false;
    if (!scan(p, &end, &mark, &again) && !at_end)
        return false;
    if (again == SIZE_MAX)
        *status = take_calls(p, end, &good, err);
    if (*status)
        return false;
    const struct call_block *block = p->block;
    p->block = NULL;
    if (good) {
        drop(p, end + mark);
        p->think_end = NULL;
        p->skip_space = true;
    } else { /* text as it stands; the first mark again begins anew */
        p->any |= block->whole;
        give_text(p, again != SIZE_MAX ? again : end + mark);
    }
    return true;
}

static infer_status run(struct infer_chat_parser *p, bool end, infer_error *err)
{
    infer_status status = INFER_OK;
    while (p->block ? inside(p, end, &status, err) : outside(p, end))
        ;
    p->failed |= status != INFER_OK;
    return status;
}

/* ---- Public ---- */

const struct answer_format *answer_format_find(const char *name, const char *source)
{
    const struct answer_format *json = NULL;
    for (size_t i = 0; i < n_answer_formats; i++) {
        const struct answer_format *f = &answer_formats[i];
        if (name ? !strcmp(f->name, name) : !strcmp(f->name, "json"))
            json = f;
        for (size_t k = 0; !name && source && k < MAX_SIGNS && f->signs[k]; k++)
            if (strstr(source, f->signs[k]))
                return f;
    }
    return json;
}

static bool prompt_ends_with(const char *prompt, const char *mark)
{
    size_t n = strlen(prompt), m = mark ? strlen(mark) : 0;
    while (n && is_blank(prompt[n - 1]))
        n--;
    return m && n >= m && !memcmp(prompt + n - m, mark, m);
}

static void begin_in_reasoning(struct infer_chat_parser *p, const char *prompt)
{
    const struct marks *const both[] = { &usual_think, &p->format->think };
    for (size_t i = 0; i < 2; i++)
        if (prompt_ends_with(prompt, both[i]->begin)) {
            p->think_end = both[i]->end;
            p->skip_space = true;
        }
}

infer_chat_parser *infer_chat_parser_open(infer_context *context, const infer_chat_parser_options *options,
                                          infer_error *err)
{
    infer_chat_parser_options o = infer_chat_parser_defaults();
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (!context)
        return fail_null(err, INFER_E_ARGUMENT, "a context is needed to open a parser of answers");
    const struct answer_format *format = answer_format_find(o.format, o.chat_template);
    if (!format)
        return fail_null(err, INFER_E_ARGUMENT, "there is no format of answers \"%.64s\"", o.format);
    const infer_allocator *a = context_allocator(context);
    struct infer_chat_parser *p = mem_new(a, 1, sizeof *p);
    const size_t n_tools = o.tools ? strlen(o.tools) + 1 : 0;
    char *tools = n_tools ? mem_new(a, n_tools, 1) : NULL;
    if (!p || (n_tools && !tools)) {
        mem_free(a, p);
        mem_free(a, tools);
        return fail_memory(err, "a parser of answers"), NULL;
    }
    if (tools)
        memcpy(tools, o.tools, n_tools);
    *p = (struct infer_chat_parser){ .a = a, .context = context_retain(context), .format = format,
                                     .blocks = format->blocks, .tools = tools,
                                     .on_part = o.on_part, .user = o.user, .no_calls = o.no_calls };
    p->base.a = a;
    if (o.prompt)
        begin_in_reasoning(p, o.prompt);
    return p;
}

void infer_chat_parser_close(infer_chat_parser **parser)
{
    struct infer_chat_parser *p = parser ? *parser : NULL;
    if (!p)
        return;
    *parser = NULL;
    infer_context *context = p->context;
    mem_free(p->a, p->held);
    mem_free(p->a, p->tools);
    mem_free(p->a, p);
    infer_context_close(&context); /* the allocator is the context's */
}

infer_status infer_chat_parser_feed(infer_chat_parser *p, const char *text, size_t length, infer_error *err)
{
    infer_status status = INFER_OK;
    if (!p || (!text && length))
        return fail(err, INFER_E_ARGUMENT, "a parser and text are needed");
    for (size_t piece; length && !status;
         text += piece, length -= piece) { /* what is held is searched again and again */
        piece = length < PIECE ? length : PIECE;
        p->failed = p->failed || !mem_grow(p->a, &p->held, &p->room, p->n + piece, 1);
        if (p->failed)
            return fail_memory(err, "an answer");
        memcpy(p->held + p->n, text, piece);
        p->n += piece;
        status = run(p, false, err);
    }
    return status;
}

infer_status infer_chat_parser_end(infer_chat_parser *p, infer_error *err)
{
    if (!p)
        return fail(err, INFER_E_ARGUMENT, "a parser is needed");
    if (p->failed)
        return fail_memory(err, "an answer");
    const infer_status status = run(p, true, err);
    p->n = 0;
    p->think_end = NULL;
    p->any = p->skip_space = false;
    return status;
}

/* ---- What generation asks ---- */

void parser_calls_as_json(infer_chat_parser *p)
{
    p->blocks = answer_format_find("json", NULL)->blocks;
}

const char *parser_reasoning(const infer_chat_parser *p)
{
    return p->think_end;
}

/* A mark with which the text begins, or that begins with the text. */
static size_t leading_mark(const char *mark, struct text text)
{
    const size_t n = mark ? strlen(mark) : 0, common = n < text.n ? n : text.n;
    return n && !memcmp(mark, text.p, common) ? common : 0;
}

bool parser_only_marks(const infer_chat_parser *p, struct text text)
{
    const struct answer_format *f = p->format;
    for (;;) {
        text = text_trim(text, TRIM_LEFT, NULL);
        if (!text.n)
            return true;
        size_t n = leading_mark(usual_think.begin, text);
        n = n ? n : leading_mark(f->think.begin, text);
        for (size_t i = 0; i < MAX_DROPPED && !n; i++)
            n = leading_mark(f->dropped[i], text);
        if (!n)
            return false;
        text = (struct text){ text.p + n, text.n - n };
    }
}

const char *infer_chat_format_name(size_t index)
{
    return index < n_answer_formats ? answer_formats[index].name : NULL;
}

const char *infer_chat_parser_format(const infer_chat_parser *p)
{
    return p->format->name;
}

/*
 * cofferdam.h is for modules in C: the host's functions, and enough to read a
 * request and to write a reply. It needs no library and no other file:
 *
 *     #include <cofferdam.h>
 *
 *     static char room[64 * 1024];
 *
 *     COFFERDAM_HANDLE(length) {
 *         cf_arena arena = cf_arena_of(room, sizeof room);
 *         cf_text request = cf_request(&arena, length);
 *         cf_json reply = cf_reply_begin(&arena, 4096);
 *         cf_heading(&reply, CF("Hello!"));
 *         return cf_reply_end(&reply, request.at ? COFFERDAM_OK : COFFERDAM_LIMIT);
 *     }
 *
 * `cofferdam module build DIR` finds this header by itself and compiles every
 * file of DIR that ends in .c, with clang and wasm-ld. By hand it is
 *
 *     clang --target=wasm32 -std=c11 -ffreestanding -mbulk-memory -Os -c main.c
 *     wasm-ld --no-entry --stack-first --strip-all main.o -o module.wasm
 *
 * There is no free and no state: the host wipes the whole memory after each
 * request. Names that begin with cofferdam_ are the contract; those with cf_
 * are for convenience, and a module can do without them.
 *
 * Compiled for another target, the imports are plain functions: a native test
 * defines those that it needs.
 */
#ifndef COFFERDAM_H
#define COFFERDAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The version of the contract, for the manifest's key `abi`. */
#define COFFERDAM_ABI 1

/* How a host call or a whole request ended. */
enum {
    COFFERDAM_OK = 0,
    COFFERDAM_DENIED = 1,           /* the module, or the user, may not do this */
    COFFERDAM_AUTH_REQUIRED = 2,    /* a 2FA session is needed */
    COFFERDAM_CONFIRM_REQUIRED = 3, /* a confirming tap is needed */
    COFFERDAM_NOT_FOUND = 4,        /* the thing is not there (any more) */
    COFFERDAM_CONFLICT = 5,         /* the thing is in a state that forbids it */
    COFFERDAM_UNAVAILABLE = 6,      /* Docker or another service does not answer */
    COFFERDAM_TIMEOUT = 7,          /* it took longer than allowed */
    COFFERDAM_LIMIT = 8,            /* over a quota */
    COFFERDAM_INVALID = 9,          /* the request makes no sense */
    COFFERDAM_INTERNAL = 10         /* a bug, on either side */
};

/* Levels of cofferdam_log. */
enum {
    COFFERDAM_LOG_DEBUG = 0,
    COFFERDAM_LOG_INFO = 1,
    COFFERDAM_LOG_WARN = 2,
    COFFERDAM_LOG_ERROR = 3
};

#ifdef __wasm__
#define COFFERDAM_IMPORT(name) __attribute__((import_module("cofferdam"), import_name(#name)))
#define COFFERDAM_EXPORT(name) __attribute__((export_name(#name)))
#else
#define COFFERDAM_IMPORT(name)
#define COFFERDAM_EXPORT(name)
#endif

/* Defines what the host calls for each request. `length` is the request's. The
 * result is a code; with another than COFFERDAM_OK a reply may say why. */
#define COFFERDAM_HANDLE(length)                                     \
    COFFERDAM_EXPORT(cofferdam_handle)                               \
    int32_t cofferdam_handle(int32_t length);                        \
    int32_t cofferdam_handle(int32_t length)

/* Copies the request, as much of it as there is room for. Returns its length. */
COFFERDAM_IMPORT(request_read) int32_t cofferdam_request_read(void *room, uint32_t capacity);
/* Hands over the reply, once. Returns a code. */
COFFERDAM_IMPORT(reply_write) int32_t cofferdam_reply_write(const void *reply, uint32_t length);
/* Copies the last operation's result. Returns its length. */
COFFERDAM_IMPORT(result_read) int32_t cofferdam_result_read(void *room, uint32_t capacity);
/* Writes a line to the host's log. */
COFFERDAM_IMPORT(log) void cofferdam_log(int32_t level, const void *line, uint32_t length);

/* Says in one line what is under way; a user who has to wait is shown it. */
COFFERDAM_IMPORT(progress) void cofferdam_progress(const void *line, uint32_t length);

/* The operations. A module's file imports only those that it calls, and its
 * manifest must ask for their capabilities. Each takes JSON; what comes back
 * is for cf_result. The members of questions and answers stand in guest/abi. */
#define COFFERDAM_OPERATION(name) \
    COFFERDAM_IMPORT(name) int64_t cofferdam_##name(const void *question, uint32_t length)

COFFERDAM_OPERATION(docker_container_list_v1);
COFFERDAM_OPERATION(docker_container_inspect_v1);
COFFERDAM_OPERATION(docker_container_stats_v1);
COFFERDAM_OPERATION(docker_container_start_v1);
COFFERDAM_OPERATION(docker_container_stop_v1);
COFFERDAM_OPERATION(docker_container_restart_v1);
COFFERDAM_OPERATION(docker_container_pause_v1);
COFFERDAM_OPERATION(docker_container_unpause_v1);
COFFERDAM_OPERATION(docker_container_kill_v1);
COFFERDAM_OPERATION(docker_container_remove_v1);
COFFERDAM_OPERATION(docker_info_v1);
COFFERDAM_OPERATION(docker_hosts_v1);
COFFERDAM_OPERATION(docker_container_rename_v1);
COFFERDAM_OPERATION(docker_container_logs_v1);
COFFERDAM_OPERATION(docker_container_runtime_v1);
COFFERDAM_OPERATION(docker_container_env_v1);
COFFERDAM_OPERATION(docker_container_history_v1);
COFFERDAM_OPERATION(docker_image_list_v1);
COFFERDAM_OPERATION(docker_image_inspect_v1);
COFFERDAM_OPERATION(docker_image_history_v1);
COFFERDAM_OPERATION(docker_image_updates_v1);
COFFERDAM_OPERATION(metrics_host_v1);
COFFERDAM_OPERATION(metrics_cpu_v1);
COFFERDAM_OPERATION(metrics_memory_v1);
COFFERDAM_OPERATION(metrics_disk_v1);
COFFERDAM_OPERATION(metrics_sensors_v1);
COFFERDAM_OPERATION(metrics_processes_v1);
COFFERDAM_OPERATION(metrics_users_v1);
COFFERDAM_OPERATION(metrics_disk_io_v1);
COFFERDAM_OPERATION(metrics_network_v1);
COFFERDAM_OPERATION(metrics_pressure_v1);
COFFERDAM_OPERATION(metrics_history_v1);
COFFERDAM_OPERATION(bot_modules_v1);
COFFERDAM_OPERATION(bot_health_v1);
COFFERDAM_OPERATION(bot_release_v1);
COFFERDAM_OPERATION(http_fetch_v1);
COFFERDAM_OPERATION(http_grants_v1);
COFFERDAM_OPERATION(kv_get_v1);
COFFERDAM_OPERATION(kv_put_v1);
COFFERDAM_OPERATION(kv_delete_v1);
COFFERDAM_OPERATION(kv_list_v1);
COFFERDAM_OPERATION(notify_v1);
COFFERDAM_OPERATION(bot_modules_pending_v1);
COFFERDAM_OPERATION(bot_module_approve_v1);
COFFERDAM_OPERATION(bot_module_refuse_v1);
COFFERDAM_OPERATION(bot_module_revoke_v1);

/*
 * Texts and the room for them.
 */

/* Bytes with a length, UTF-8. No NUL ends them. {NULL, 0} is none at all. */
typedef struct {
    const char *at;
    size_t length;
} cf_text;

/* A literal as a text. */
#define CF(literal) ((cf_text){"" literal, sizeof(literal) - 1})
/* A literal as the two arguments of an operation. */
#define CF_QUESTION(literal) "" literal, (uint32_t)(sizeof(literal) - 1)

static inline bool cf_same(cf_text a, cf_text b) {
    if (a.length != b.length) return false;
    for (size_t i = 0; i < a.length; i++)
        if (a.at[i] != b.at[i]) return false;
    return true;
}

/* Room that is given away from its beginning to its end. */
typedef struct {
    char *next;
    size_t left;
} cf_arena;

static inline cf_arena cf_arena_of(char *room, size_t size) { return (cf_arena){room, size}; }

/* Returns that many bytes, or NULL if there is no room for them. */
static inline char *cf_take(cf_arena *arena, size_t size) {
    if (size > arena->left) return NULL;
    char *taken = arena->next;
    arena->next += size;
    arena->left -= size;
    return taken;
}

/* Puts texts together: cf_join(&arena, 2, (cf_text[]){a, b}). {NULL, 0} if
 * there is no room. */
static inline cf_text cf_join(cf_arena *arena, size_t count, const cf_text *parts) {
    size_t length = 0;
    for (size_t i = 0; i < count; i++) length += parts[i].length;
    char *out = cf_take(arena, length);
    if (!out) return (cf_text){NULL, 0};
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < parts[i].length; k++) out[n++] = parts[i].at[k];
    return (cf_text){out, length};
}

/* Writes a number: "-42". */
static inline cf_text cf_decimal(cf_arena *arena, int64_t number) {
    char digits[20];
    size_t n = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do digits[--n] = (char)('0' + rest % 10); while (rest /= 10);
    if (number < 0) digits[--n] = '-';
    return cf_join(arena, 1, &(cf_text){digits + n, sizeof digits - n});
}

/* value / 2^shift, to the nearest whole number; halves to the even one. */
static inline uint64_t cf_nearest(uint64_t value, unsigned shift) {
    uint64_t whole = value >> shift, twice = (value - (whole << shift)) * 2, one = (uint64_t)1 << shift;
    return whole + (twice > one || (twice == one && whole % 2));
}

/* Writes a size as people read it: "512 B", "1.5 GiB", "118 MiB". */
static inline cf_text cf_size(cf_arena *arena, uint64_t bytes) {
    static const char units[7][5] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
    unsigned unit = bytes >= 1024;
    while (unit && unit < 6 && bytes >= (uint64_t)2047 << (10 * unit - 1)) unit++; /* 1023.5 is written as 1.0 */
    unsigned shift = 10 * unit;
    cf_text name = {units[unit], unit ? 4 : 2};
    uint64_t whole = bytes >> shift;
    uint64_t tenths = whole * 10 + cf_nearest((bytes - (whole << shift)) * 10, shift);
    if (!unit || tenths >= 1000)
        return cf_join(arena, 2, (cf_text[]){cf_decimal(arena, (int64_t)cf_nearest(bytes, shift)), name});
    char fraction[2] = {'.', (char)('0' + tenths % 10)};
    return cf_join(arena, 3, (cf_text[]){cf_decimal(arena, (int64_t)(tenths / 10)), {fraction, 2}, name});
}

/* Reads a whole decimal number, and nothing else. */
static inline bool cf_parse_int(cf_text text, int64_t *number) {
    size_t i = text.length && text.at[0] == '-';
    if (i == text.length) return false;
    uint64_t value = 0, most = (uint64_t)INT64_MAX + i;
    for (size_t k = i; k < text.length; k++) {
        unsigned digit = (unsigned char)text.at[k] - '0';
        if (digit > 9 || value > (most - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *number = (int64_t)(i ? 0 - value : value);
    return true;
}

/*
 * JSON, reading. The host writes good JSON. What these functions make of bad
 * JSON is unspecified, but they never look beyond the text.
 */

static inline const char *cf_skip_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
    return at;
}

/* From behind the opening quote to behind the closing one. */
static inline const char *cf_skip_string(const char *at, const char *end) {
    while (at < end && *at != '"') at += *at == '\\' && at + 1 < end ? 2 : 1;
    return at < end ? at + 1 : end;
}

static inline const char *cf_skip_value(const char *at, const char *end) {
    size_t depth = 0;
    while (at < end) {
        char c = *at;
        if (c == '"') {
            at = cf_skip_string(at + 1, end);
        } else if (c == '{' || c == '[') {
            depth++, at++;
        } else if (c == '}' || c == ']') {
            if (!depth) return at;
            depth--, at++;
        } else if (depth) {
            at++;
        } else { /* a number, true, false, null */
            while (at < end && *at != ',' && *at != '}' && *at != ']' && *at > ' ') at++;
            return at;
        }
        if (!depth) return at;
    }
    return end;
}

static inline unsigned cf_hex4(const char *at, const char *end) {
    unsigned value = 0;
    if (end - at < 4) return UINT32_MAX;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)at[i];
        unsigned digit = c - '0';
        if (digit > 9) digit = (c | 0x20u) - 'a' < 6 ? (c | 0x20u) - 'a' + 10 : UINT32_MAX;
        if (digit > 15) return UINT32_MAX;
        value = value << 4 | digit;
    }
    return value;
}

static inline size_t cf_utf8(uint32_t rune, char out[4]) {
    if (rune < 0x80) return out[0] = (char)rune, 1;
    if (rune < 0x800) return out[0] = (char)(0xc0 | rune >> 6), out[1] = (char)(0x80 | (rune & 0x3f)), 2;
    if (rune - 0xd800 < 0x800) rune = 0xfffd; /* half a surrogate pair */
    if (rune < 0x10000)
        return out[0] = (char)(0xe0 | rune >> 12), out[1] = (char)(0x80 | (rune >> 6 & 0x3f)),
               out[2] = (char)(0x80 | (rune & 0x3f)), 3;
    return out[0] = (char)(0xf0 | rune >> 18), out[1] = (char)(0x80 | (rune >> 12 & 0x3f)),
           out[2] = (char)(0x80 | (rune >> 6 & 0x3f)), out[3] = (char)(0x80 | (rune & 0x3f)), 4;
}

/* Decodes one step of a string at *at, and never into more bytes than it has. */
static inline size_t cf_unescape(const char **at, const char *end, char out[4]) {
    static const char escapes[] = "b\bf\fn\nr\rt\t";
    const char *p = *at;
    if (*p != '\\' || p + 1 == end) return out[0] = *p, *at = p + 1, 1;
    uint32_t rune, low;
    if (p[1] == 'u' && (rune = cf_hex4(p + 2, end)) != UINT32_MAX) {
        p += 6;
        if (rune - 0xd800 < 0x400 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' && (low = cf_hex4(p + 2, end) - 0xdc00) < 0x400)
            rune = 0x10000 + ((rune - 0xd800) << 10 | low), p += 6;
        return *at = p, cf_utf8(rune, out);
    }
    out[0] = p[1];
    for (size_t i = 0; i < sizeof escapes - 1; i += 2)
        if (p[1] == escapes[i]) out[0] = escapes[i + 1];
    return *at = p + 2, 1;
}

/* Reports whether the string behind the quote at `at` says the name. */
static inline bool cf_says(const char *at, const char *end, const char *name) {
    char out[4];
    while (at < end && *at != '"')
        for (size_t k = 0, size = cf_unescape(&at, end, out); k < size; k++)
            if (!*name || *name++ != out[k]) return false;
    return !*name;
}

/* Returns the JSON of an object's member, or {NULL, 0}. */
static inline cf_text cf_get(cf_text object, const char *name) {
    if (!object.length) return (cf_text){NULL, 0};
    const char *end = object.at + object.length, *at = cf_skip_space(object.at, end);
    if (at == end || *at != '{') return (cf_text){NULL, 0};
    for (at++; (at = cf_skip_space(at, end)) < end && *at == '"';) {
        bool found = cf_says(at + 1, end, name);
        at = cf_skip_space(cf_skip_string(at + 1, end), end);
        if (at == end || *at != ':') break;
        const char *value = cf_skip_space(at + 1, end);
        at = cf_skip_value(value, end);
        if (found) return (cf_text){value, (size_t)(at - value)};
        at = cf_skip_space(at, end);
        if (at < end && *at == ',') at++;
    }
    return (cf_text){NULL, 0};
}

/* Goes through an array:
 *     for (size_t at = 0; cf_next(list, &at, &element);) … */
static inline bool cf_next(cf_text array, size_t *at, cf_text *element) {
    if (!array.length) return false;
    const char *end = array.at + array.length, *p = cf_skip_space(array.at + *at, end);
    if (p == end || *p != (*at ? ',' : '[')) return false;
    p = cf_skip_space(p + 1, end);
    const char *behind = cf_skip_value(p, end);
    *element = (cf_text){p, (size_t)(behind - p)};
    *at = (size_t)(behind - array.at);
    return behind > p;
}

/* Decodes a string's JSON. {NULL, 0} if it is none, or there is no room. */
static inline cf_text cf_string(cf_arena *arena, cf_text json) {
    if (json.length < 2 || json.at[0] != '"') return (cf_text){NULL, 0};
    const char *at = json.at + 1, *end = json.at + json.length - 1;
    char *out = cf_take(arena, json.length), step[4];
    if (!out) return (cf_text){NULL, 0};
    size_t n = 0;
    while (at < end)
        for (size_t k = 0, size = cf_unescape(&at, end, step); k < size; k++) out[n++] = step[k];
    return (cf_text){out, n};
}

/* Returns an object's member that is a string. {NULL, 0}: it is none, or not
 * there, or there is no room. */
static inline cf_text cf_get_string(cf_arena *arena, cf_text object, const char *name) {
    return cf_string(arena, cf_get(object, name));
}

/* Returns an object's member that is a whole number, or else that number. */
static inline int64_t cf_get_int(cf_text object, const char *name, int64_t otherwise) {
    int64_t number = otherwise;
    cf_parse_int(cf_get(object, name), &number);
    return number;
}

/*
 * JSON, writing. Commas come by themselves, strings are escaped, and what is no
 * UTF-8 becomes U+FFFD. What does not fit is remembered and not written.
 */

typedef struct {
    char *at;
    size_t length, capacity;
    bool full;
} cf_json;

/* Writes into so many bytes of the arena. */
static inline cf_json cf_json_in(cf_arena *arena, size_t capacity) {
    char *room = cf_take(arena, capacity);
    return (cf_json){room, 0, room ? capacity : 0, !room};
}

static inline cf_text cf_json_text(const cf_json *json) { return (cf_text){json->at, json->length}; }

static inline void cf_put(cf_json *json, const char *bytes, size_t length) {
    json->full = json->full || length > json->capacity - json->length;
    if (json->full) return;
    for (size_t i = 0; i < length; i++) json->at[json->length++] = bytes[i];
}

static inline void cf_comma(cf_json *json) {
    char last = json->length ? json->at[json->length - 1] : '[';
    if (last != '[' && last != '{' && last != ':') cf_put(json, ",", 1);
}

static inline void cf_open(cf_json *json, char bracket) { cf_comma(json), cf_put(json, &bracket, 1); }
static inline void cf_close(cf_json *json, char bracket) { cf_put(json, &bracket, 1); }

/* The length of the UTF-8 at `at`, or 0 if it is none. */
static inline size_t cf_utf8_length(const char *at, const char *end) {
    const unsigned char *p = (const unsigned char *)at;
    if (p[0] < 0x80) return 1;
    size_t size = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if ((size_t)(end - at) < size) return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    /* Over-long, surrogates, beyond U+10FFFF. */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return size;
}

static inline void cf_put_string(cf_json *json, cf_text text) {
    static const char hex[] = "0123456789abcdef";
    cf_comma(json);
    cf_put(json, "\"", 1);
    for (const char *at = text.at, *end = text.length ? at + text.length : at; at < end;) {
        unsigned char c = (unsigned char)*at;
        size_t size = cf_utf8_length(at, end);
        if (!size) {
            cf_put(json, "\xef\xbf\xbd", 3), size = 1;
        } else if (c < ' ' || c == '"' || c == '\\') {
            cf_put(json, (const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
        } else {
            cf_put(json, at, size);
        }
        at += size;
    }
    cf_put(json, "\"", 1);
}

/* Writes a string that needs no escaping: the name of a member, a kind. */
static inline void cf_put_word(cf_json *json, const char *word) {
    cf_comma(json), cf_put(json, "\"", 1);
    while (*word) cf_put(json, word++, 1);
    cf_put(json, "\"", 1);
}

/* Begins a member: its value comes next. */
static inline void cf_key(cf_json *json, const char *name) { cf_put_word(json, name), cf_put(json, ":", 1); }

static inline void cf_put_int(cf_json *json, int64_t number) {
    char digits[20];
    cf_arena room = {digits, sizeof digits};
    cf_text text = cf_decimal(&room, number);
    cf_comma(json), cf_put(json, text.at, text.length);
}

static inline void cf_put_bool(cf_json *json, bool value) {
    cf_comma(json), value ? cf_put(json, "true", 4) : cf_put(json, "false", 5);
}

static inline void cf_member(cf_json *json, const char *name, cf_text value) { cf_key(json, name), cf_put_string(json, value); }
static inline void cf_member_int(cf_json *json, const char *name, int64_t value) { cf_key(json, name), cf_put_int(json, value); }

/*
 * A request, its host calls, and its reply.
 */

/* Reads the request. {NULL, 0} if there is no room for it. */
static inline cf_text cf_request(cf_arena *arena, int32_t length) {
    char *room = cf_take(arena, (size_t)(uint32_t)length);
    if (!room || cofferdam_request_read(room, (uint32_t)length) != length) return (cf_text){NULL, 0};
    return (cf_text){room, (size_t)(uint32_t)length};
}

/* Reads what an operation answered and returns its code. With another code than
 * COFFERDAM_OK, the result's member `message` is a sentence for the user. */
static inline int32_t cf_result(cf_arena *arena, int64_t answer, cf_text *result) {
    uint32_t length = (uint32_t)answer;
    char *room = cf_take(arena, length);
    *result = (cf_text){NULL, 0};
    if (!room) return COFFERDAM_LIMIT;
    if ((uint32_t)cofferdam_result_read(room, length) != length) return COFFERDAM_INTERNAL;
    *result = (cf_text){room, length};
    return (int32_t)(answer >> 32);
}

/* Begins a reply of at most so many bytes. Its blocks come next. */
static inline cf_json cf_reply_begin(cf_arena *arena, size_t capacity) {
    cf_json reply = cf_json_in(arena, capacity);
    cf_open(&reply, '{'), cf_key(&reply, "blocks"), cf_open(&reply, '[');
    return reply;
}

/* A text in one style: "bold", "italic", "code"; NULL is plain. */
static inline void cf_span(cf_json *reply, cf_text text, const char *style) {
    cf_open(reply, '{'), cf_member(reply, "text", text);
    if (style) cf_key(reply, "style"), cf_put_word(reply, style);
    cf_close(reply, '}');
}

/* Begins a block whose member `part` is a list, which comes next. */
static inline void cf_block(cf_json *reply, const char *kind, const char *part) {
    cf_open(reply, '{'), cf_key(reply, "kind"), cf_put_word(reply, kind), cf_key(reply, part), cf_open(reply, '[');
}

static inline void cf_block_end(cf_json *reply) { cf_close(reply, ']'), cf_close(reply, '}'); }

static inline void cf_heading(cf_json *reply, cf_text text) {
    cf_block(reply, "heading", "spans"), cf_span(reply, text, NULL), cf_block_end(reply);
}

static inline void cf_paragraph(cf_json *reply, cf_text text) {
    cf_block(reply, "text", "spans"), cf_span(reply, text, NULL), cf_block_end(reply);
}

/* A moment, in milliseconds since 1970 UTC, written by the host in its own zone. */
static inline void cf_time(cf_json *reply, int64_t ms) {
    cf_open(reply, '{'), cf_key(reply, "style"), cf_put_word(reply, "time"), cf_member_int(reply, "time", ms), cf_close(reply, '}');
}

/* The line that says when a view was made: when the host began to handle the
 * request. */
static inline void cf_as_of(cf_json *reply, cf_text request) {
    cf_block(reply, "text", "spans"), cf_span(reply, CF("As of "), "italic");
    cf_time(reply, cf_get_int(request, "time", 0)), cf_block_end(reply);
}

/* A line in cf_block(reply, "bars", "bars"): a share of 100, and what stands behind
 * it. */
static inline void cf_bar(cf_json *reply, cf_text label, int64_t percent, cf_text text) {
    cf_open(reply, '{'), cf_member(reply, "label", label), cf_member_int(reply, "percent", percent);
    cf_member(reply, "text", text), cf_close(reply, '}');
}

/* A line in cf_block(reply, "fields", "fields"). */
static inline void cf_field(cf_json *reply, cf_text name, cf_text value) {
    cf_open(reply, '{'), cf_member(reply, "name", name), cf_key(reply, "value");
    cf_open(reply, '['), cf_span(reply, value, NULL), cf_close(reply, ']'), cf_close(reply, '}');
}

/* Ends the blocks and begins the rows of buttons, '[' to ']'. */
static inline void cf_keyboard(cf_json *reply) {
    cf_close(reply, ']'), cf_key(reply, "keyboard"), cf_open(reply, '[');
}

/* Begins a button for an action of this module. Further members may come next,
 * such as `args`, and cf_close(reply, '}'). */
static inline void cf_button(cf_json *reply, cf_text label, const char *action) {
    cf_open(reply, '{'), cf_member(reply, "label", label), cf_key(reply, "action"), cf_put_word(reply, action);
}

/* A whole button for an action of this module with its arguments, names and values
 * in turn: cf_button_with(&reply, label, "list", 1, (cf_text[]){CF("page"), page}).
 * They come back in the request's `args`. */
static inline void cf_button_with(cf_json *reply, cf_text label, const char *action, size_t count, const cf_text *args) {
    cf_button(reply, label, action), cf_key(reply, "args"), cf_open(reply, '{');
    for (size_t i = 0; i < 2 * count; i += 2) cf_put_string(reply, args[i]), cf_put(reply, ":", 1), cf_put_string(reply, args[i + 1]);
    cf_close(reply, '}'), cf_close(reply, '}');
}

/* Ends the blocks or the keyboard and hands over the reply. The result is for
 * cofferdam_handle: the code given, or why there is no reply. */
static inline int32_t cf_reply_end(cf_json *reply, int32_t code) {
    cf_close(reply, ']'), cf_close(reply, '}');
    if (reply->full) return COFFERDAM_LIMIT;
    int32_t refused = cofferdam_reply_write(reply->at, (uint32_t)reply->length);
    return refused ? refused : code;
}

/* Replies with one sentence, for a request that ends with that code. */
static inline int32_t cf_refuse(cf_arena *arena, int32_t code, cf_text sentence) {
    cf_json reply = cf_reply_begin(arena, 128 + 6 * sentence.length);
    cf_paragraph(&reply, sentence);
    return cf_reply_end(&reply, code);
}

#endif

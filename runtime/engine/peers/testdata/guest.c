// The logic of ../logic in C, without a library: for cofferdam's ABI, or with
// -DEXTISM for Extism's. Its JSON is as good as the host's own needs: well
// formed, names without escapes, no text longer than a buffer.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

enum { CAP = 4096, FAILED = 10 };

typedef struct {
	char *at;
	u32 len;
} text;

static char request_bytes[CAP], answer_bytes[CAP], out_bytes[CAP];
static text out = {out_bytes, 0};
static u64 handled;

// Reading JSON.

static u32 string_len(const char *s) {
	u32 n = 0;
	while (s[n]) n++;
	return n;
}

static int same(text a, const char *b) {
	if (a.len != string_len(b)) return 0;
	for (u32 i = 0; i < a.len; i++)
		if (a.at[i] != b[i]) return 0;
	return 1;
}

static char *space(char *p, char *end) {
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) p++;
	return p;
}

// skip returns where the value at p ends.
static char *skip(char *p, char *end) {
	int depth = 0, quoted = 0;
	for (; p < end; p++) {
		if (quoted) {
			if (*p == '\\') p++;
			else if (*p == '"') quoted = 0;
		} else if (*p == '"') quoted = 1;
		else if (*p == '{' || *p == '[') depth++;
		else if ((*p == '}' || *p == ']' || *p == ',') && depth == 0) return p;
		else if (*p == '}' || *p == ']') depth--;
	}
	return end;
}

// member returns the value called name in an object, empty if there is none.
static text member(text object, const char *name) {
	char *p = object.at, *end = object.at + object.len;
	text none = {object.at, 0};
	if (p == end || *p != '{') return none;
	p = space(p + 1, end);
	while (p < end && *p == '"') {
		text key = {++p, 0};
		while (p < end && *p != '"') p++;
		key.len = p - key.at;
		p = space(p + 1, end);
		if (p == end || *p != ':') return none;
		p = space(p + 1, end);
		text value = {p, 0};
		p = skip(p, end);
		value.len = p - value.at;
		if (same(key, name)) return value;
		if (p < end && *p == ',') p = space(p + 1, end);
	}
	return none;
}

static text unquoted(text s) {
	if (s.len < 2) return (text){s.at, 0};
	return (text){s.at + 1, s.len - 2};
}

static u64 number(text digits) {
	u64 n = 0;
	for (u32 i = 0; i < digits.len && digits.at[i] >= '0' && digits.at[i] <= '9'; i++) n = n * 10 + (digits.at[i] - '0');
	return n;
}

// Writing JSON.

static void put_text(text s) {
	for (u32 i = 0; i < s.len && out.len < CAP; i++) out.at[out.len++] = s.at[i];
}

static void put(const char *s) { put_text((text){(char *)s, string_len(s)}); }

static void put_number(u64 n) {
	char digits[20];
	u32 i = sizeof digits;
	do digits[--i] = '0' + n % 10;
	while (n /= 10);
	put_text((text){digits + i, sizeof digits - i});
}

static void put_field(const char *name, text bytes, const char *after) {
	u64 tenths = (number(bytes) * 10 + (1 << 29)) >> 30;
	put("{\"name\":\""), put(name), put("\",\"value\":[{\"text\":\"");
	put_number(tenths / 10), put("."), put_number(tenths % 10);
	put(" GiB\",\"style\":\"bold\"}]}"), put(after);
}

static text memory(text query);

// respond writes the reply to out.
static int respond(text request) {
	handled++;
	out.len = 0;
	if (same(unquoted(member(request, "command")), "count")) {
		put("{\"notice\":\""), put_number(handled), put("\"}");
		return 0;
	}
	text host = unquoted(member(member(request, "args"), "host"));
	put("{\"host\":\""), put_text(host), put("\"}");
	text info = memory(out);
	if (info.len == 0) return FAILED;
	out.len = 0;
	put("{\"blocks\":[{\"kind\":\"heading\",\"spans\":[{\"text\":\"Memory for ");
	put_text(unquoted(member(member(request, "actor"), "name")));
	put("\"}]},{\"kind\":\"fields\",\"fields\":[");
	put_field("Total", member(info, "total"), ",");
	put_field("Used", member(info, "used"), ",");
	put_field("Available", member(info, "available"), ",");
	put_field("Cached", member(info, "cached"), ",");
	put_field("Swap", member(member(info, "swap"), "used"), "]}");
	put(",{\"kind\":\"bars\",\"bars\":[{\"label\":\"used\",\"percent\":"), put_text(member(info, "percent"));
	put("}]}],\"keyboard\":[[{\"label\":\"Refresh\",\"action\":\"memory\",\"args\":{\"host\":\""), put_text(host);
	put("\"}}]]}");
	return 0;
}

#ifndef EXTISM

IMPORT("cofferdam", "request_read") int request_read(void *ptr, u32 cap);
IMPORT("cofferdam", "reply_write") int reply_write(const void *ptr, u32 len);
IMPORT("cofferdam", "result_read") int result_read(void *ptr, u32 cap);
IMPORT("cofferdam", "metrics_memory_v1") u64 metrics_memory(const void *ptr, u32 len);

static text memory(text query) {
	u64 packed = metrics_memory(query.at, query.len);
	text answer = {answer_bytes, (u32)packed};
	if (packed >> 32 || answer.len > CAP) return (text){answer_bytes, 0};
	result_read(answer_bytes, CAP);
	return answer;
}

EXPORT("cofferdam_handle") int handle(u32 len) {
	if (len > CAP) return FAILED;
	request_read(request_bytes, CAP);
	int code = respond((text){request_bytes, len});
	return code ? code : reply_write(out.at, out.len);
}

#else

IMPORT("extism:host/env", "input_length") u64 input_length(void);
IMPORT("extism:host/env", "input_load_u8") u32 input_load_u8(u64 offset);
IMPORT("extism:host/env", "input_load_u64") u64 input_load_u64(u64 offset);
IMPORT("extism:host/env", "output_set") void output_set(u64 offset, u64 len);
IMPORT("extism:host/env", "alloc") u64 alloc(u64 len);
IMPORT("extism:host/env", "free") void release(u64 offset);
IMPORT("extism:host/env", "length") u64 length(u64 offset);
IMPORT("extism:host/env", "load_u8") u32 load_u8(u64 offset);
IMPORT("extism:host/env", "load_u64") u64 load_u64(u64 offset);
IMPORT("extism:host/env", "store_u8") void store_u8(u64 offset, u32 value);
IMPORT("extism:host/env", "store_u64") void store_u64(u64 offset, u64 value);
IMPORT("extism:host/user", "metrics_memory_v1") u64 metrics_memory(u64 query);

typedef u64 __attribute__((aligned(1))) loose;

static u64 store(text s) {
	u64 offset = alloc(s.len);
	u32 i = 0;
	for (; i + 8 <= s.len; i += 8) store_u64(offset + i, *(loose *)(s.at + i));
	for (; i < s.len; i++) store_u8(offset + i, (u8)s.at[i]);
	return offset;
}

static text memory(text query) {
	u64 asked = store(query), answered = metrics_memory(asked);
	text answer = {answer_bytes, length(answered)};
	release(asked);
	if (answer.len > CAP) return (text){answer_bytes, 0};
	u32 i = 0;
	for (; i + 8 <= answer.len; i += 8) *(loose *)(answer.at + i) = load_u64(answered + i);
	for (; i < answer.len; i++) answer.at[i] = load_u8(answered + i);
	release(answered);
	return answer;
}

EXPORT("cofferdam_handle") int handle(void) {
	text request = {request_bytes, input_length()};
	if (request.len > CAP) return FAILED;
	u32 i = 0;
	for (; i + 8 <= request.len; i += 8) *(loose *)(request.at + i) = input_load_u64(i);
	for (; i < request.len; i++) request.at[i] = input_load_u8(i);
	int code = respond(request);
	if (code == 0) output_set(store(out), out.len);
	return code;
}

#endif

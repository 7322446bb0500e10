/* ports lists the ports that running containers publish, by their number on the
 * host: /ports shows those of the first Docker host, /ports NAME those of another. */
#include <cofferdam.h>

/* What is known of containers stays in `room`, and what is said of them is put
 * together in `words`. An answer of the host is read in `scratch` and then
 * forgotten. */
static char room[256 * 1024], words[64 * 1024], scratch[512 * 1024];

enum {
    PAGE = 10,        /* ports on a page */
    BINDINGS = 6,     /* containers shown of a port */
    LISTED = 40,      /* containers in an answer */
    LOOKED_AT = 200,  /* containers at most: the host answers 256 calls */
    ENTRIES = 2048,
    NAME = 64,        /* bytes of a name that are shown */
    ID = 128,
    PORT = 8,         /* bytes of a port and of a protocol */
    ADDRESS = 46,
    HOST = 64,
};

/* Where a port is published. */
enum { ON_V4 = 1, ON_V6 = 2, ON_LOOPBACK = 4, ON_ADDRESS = 8 };

typedef struct {
    int64_t port;      /* on the host */
    cf_text protocol;  /* "tcp" */
    cf_text name;      /* the container's */
    cf_text inner;     /* its port: "80" */
    cf_text address;   /* of ON_ADDRESS */
    unsigned where;
} entry;

static entry entries[ENTRIES];

typedef struct {
    cf_arena room, words;
    size_t count; /* of entries */
    int64_t running; /* containers, those that are not looked at included */
    size_t looked_at, unread;
    bool full;
} survey;

/* -1, 0 or 1, as the first text sorts before the second. */
static int compare(cf_text a, cf_text b) {
    for (size_t i = 0; i < a.length && i < b.length; i++)
        if (a.at[i] != b.at[i]) return (unsigned char)a.at[i] < (unsigned char)b.at[i] ? -1 : 1;
    return a.length == b.length ? 0 : a.length < b.length ? -1 : 1;
}

static int order(const entry *a, const entry *b) {
    int n = a->port != b->port ? (a->port < b->port ? -1 : 1) : compare(a->protocol, b->protocol);
    if (!n) n = compare(a->name, b->name);
    if (!n) n = compare(a->inner, b->inner);
    /* Bindings to particular addresses are lines of their own. */
    if (!n) n = compare(a->address, b->address);
    return n;
}

static bool same_port(const entry *a, const entry *b) { return a->port == b->port && cf_same(a->protocol, b->protocol); }

static cf_text shortened(cf_text text, size_t limit) { return (cf_text){text.at, text.length < limit ? text.length : limit}; }

static bool begins(cf_text text, cf_text with) { return text.length >= with.length && cf_same(shortened(text, with.length), with); }

/* Docker publishes on all interfaces where no address is given. */
static unsigned place_of(cf_text address) {
    if (!address.length) return ON_V4 | ON_V6;
    if (cf_same(address, CF("0.0.0.0"))) return ON_V4;
    if (cf_same(address, CF("::"))) return ON_V6;
    return begins(address, CF("127.")) || cf_same(address, CF("::1")) ? ON_LOOPBACK : ON_ADDRESS;
}

/* Copies what is shown of a text. */
static cf_text keep(survey *s, cf_text text, size_t limit) {
    text = shortened(text, limit);
    cf_text kept = cf_join(&s->room, 1, &text);
    s->full = s->full || !kept.at;
    return kept;
}

/* Puts an entry into its place, or what it adds to the entry that is there. */
static void insert(survey *s, entry e) {
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        order(&entries[middle], &e) < 0 ? (low = middle + 1) : (high = middle);
    }
    if (low < s->count && !order(&entries[low], &e)) {
        entries[low].where |= e.where;
        return;
    }
    if (s->count == ENTRIES) {
        s->full = true;
        return;
    }
    e.protocol = keep(s, e.protocol, PORT), e.inner = keep(s, e.inner, PORT), e.address = keep(s, e.address, ADDRESS);
    for (size_t i = s->count++; i > low; i--) entries[i] = entries[i - 1];
    entries[low] = e;
}

/* Takes a port of a container. One that is only exposed has no port on the host. */
static void take_port(survey *s, cf_arena *arena, cf_text name, cf_text port) {
    cf_text number = cf_get_string(arena, port, "host_port"), inner = cf_get_string(arena, port, "container");
    cf_text address = cf_get_string(arena, port, "host_ip");
    if (number.at && !number.length) return;
    entry e = {.name = name, .protocol = CF("tcp")};
    if (!cf_parse_int(number, &e.port) || e.port < 1 || e.port > 65535) {
        s->unread += cf_get(port, "host_port").length > 0;
        return;
    }
    size_t slash = 0;
    while (slash < inner.length && inner.at[slash] != '/') slash++;
    e.inner = shortened(inner, slash < PORT ? slash : PORT);
    if (slash < inner.length) e.protocol = shortened((cf_text){inner.at + slash + 1, inner.length - slash - 1}, PORT);
    e.where = place_of(address);
    if (e.where == ON_ADDRESS) e.address = shortened(address, ADDRESS);
    insert(s, e);
}

/* A question with the Docker host's name in it, if it is not the first. */
static cf_json question(cf_arena *arena, cf_text host) {
    cf_json json = cf_json_in(arena, 1024);
    cf_open(&json, '{');
    if (host.length) cf_member(&json, "host", host);
    return json;
}

/* Looks at one container. One that is gone meanwhile publishes nothing. */
static void look_at(survey *s, cf_text host, cf_text id, cf_text name) {
    cf_arena arena = cf_arena_of(scratch, sizeof scratch);
    cf_json json = question(&arena, host);
    cf_text details, port;
    cf_member(&json, "id", id), cf_close(&json, '}');
    int32_t code = json.full ? COFFERDAM_LIMIT
                             : cf_result(&arena, cofferdam_docker_container_inspect_v1(json.at, (uint32_t)json.length), &details);
    if (code != COFFERDAM_OK) {
        s->unread += code != COFFERDAM_NOT_FOUND;
        return;
    }
    cf_text ports = cf_get(details, "ports");
    for (size_t at = 0; cf_next(ports, &at, &port);) take_port(s, &arena, name, port);
}

/* Takes a page of the list, of which the running containers come first. The ids and
 * names are copied, since looking at a container forgets the answer. */
static int32_t take_page(survey *s, cf_text host, int64_t offset, cf_text *message) {
    cf_text ids[LISTED], names[LISTED], list, container;
    size_t count = 0;
    cf_arena arena = cf_arena_of(scratch, sizeof scratch);
    cf_json json = question(&arena, host);
    cf_member_int(&json, "offset", offset), cf_member_int(&json, "count", LISTED), cf_close(&json, '}');
    int32_t code = cf_result(&arena, cofferdam_docker_container_list_v1(json.at, (uint32_t)json.length), &list);
    if (code != COFFERDAM_OK) {
        *message = cf_get_string(&s->words, list, "message");
        return code;
    }
    s->running = cf_get_int(list, "running", 0);
    cf_text containers = cf_get(list, "containers");
    for (size_t at = 0; count < LISTED && cf_next(containers, &at, &container);) {
        if (!cf_same(cf_get_string(&arena, container, "state"), CF("running"))) continue;
        cf_text id = cf_get_string(&arena, container, "id"), name = cf_get_string(&arena, container, "name");
        if (!id.length || id.length > ID || !name.at) {
            s->unread++;
            continue;
        }
        ids[count] = keep(s, id, ID), names[count] = keep(s, name, NAME), count++;
    }
    for (size_t i = 0; i < count && s->looked_at < LOOKED_AT; i++, s->looked_at++) look_at(s, host, ids[i], names[i]);
    return COFFERDAM_OK;
}

/* Looks at all running containers. */
static int32_t look_around(survey *s, cf_text host, cf_text *message) {
    int64_t offset = 0;
    do {
        int32_t code = take_page(s, host, offset, message);
        if (code != COFFERDAM_OK) return code;
        offset += LISTED;
    } while (offset < s->running && offset < LOOKED_AT);
    return COFFERDAM_OK;
}

/* A number with its noun: "1 port", "2 ports". */
static cf_text counted(cf_arena *arena, int64_t n, cf_text noun) {
    return cf_join(arena, 4, (cf_text[]){cf_decimal(arena, n), CF(" "), noun, n == 1 ? CF("") : CF("s")});
}

static cf_text where(unsigned w) {
    if ((w & ON_V4) && (w & ON_V6)) return CF("on all interfaces");
    if (w & ON_V4) return CF("on all IPv4 interfaces");
    if (w & ON_V6) return CF("on all IPv6 interfaces");
    return CF("on this machine only");
}

static bool is_open(const entry *e) { return e->where & (ON_V4 | ON_V6); }

/* Writes a port with its containers: entries[from] to before entries[to]. */
static void write_port(survey *s, cf_json *reply, size_t from, size_t to) {
    const entry *first = &entries[from];
    bool open = false, inside = true;
    for (size_t i = from; i < to; i++) open = open || is_open(&entries[i]), inside = inside && entries[i].where == ON_LOOPBACK;
    cf_block(reply, "text", "spans");
    cf_span(reply, cf_join(&s->words, 4, (cf_text[]){open ? CF("⚠️ ") : inside ? CF("🔒 ") : CF("🔹 "), cf_decimal(&s->words, first->port), CF("/"), first->protocol}), "bold");
    for (size_t i = from; i < to && i - from < BINDINGS; i++) {
        const entry *e = &entries[i];
        cf_span(reply, CF("\n"), NULL), cf_span(reply, e->name, "code");
        cf_span(reply, cf_join(&s->words, 3, (cf_text[]){CF(" port "), e->inner, CF(", ")}), NULL);
        if (e->where == ON_ADDRESS) {
            cf_span(reply, CF("on "), NULL), cf_span(reply, e->address, "code");
        } else {
            cf_span(reply, where(e->where), NULL);
        }
    }
    if (to - from > BINDINGS)
        cf_span(reply, cf_join(&s->words, 3, (cf_text[]){CF("\nand "), cf_decimal(&s->words, (int64_t)(to - from - BINDINGS)), CF(" more")}), NULL);
    cf_block_end(reply);
}

/* Counts ports, and those of them that are open. */
static void count_ports(const survey *s, int64_t *ports, int64_t *open) {
    *ports = *open = 0;
    for (size_t i = 0, next; i < s->count; i = next, ++*ports) {
        bool any = false;
        for (next = i; next < s->count && same_port(&entries[i], &entries[next]); next++) any = any || is_open(&entries[next]);
        *open += any;
    }
}

/* Writes what is wrong with what is shown. */
static void write_doubts(survey *s, cf_json *reply, int64_t open) {
    if (open)
        cf_paragraph(reply, cf_join(&s->words, 3, (cf_text[]){CF("⚠️ "), counted(&s->words, open, CF("port")),
            CF(" can be reached from wherever this machine can: Docker's rules come before those of most firewalls. To keep a port to this machine, publish it as 127.0.0.1:PORT:PORT.")}));
    if (s->running > (int64_t)s->looked_at && s->looked_at >= LOOKED_AT)
        cf_paragraph(reply, cf_join(&s->words, 4, (cf_text[]){CF("Only "), cf_decimal(&s->words, (int64_t)s->looked_at), CF(" running containers were looked at, of "), cf_decimal(&s->words, s->running)}));
    if (s->unread)
        cf_paragraph(reply, CF("Something could not be read: there may be more ports than these."));
    if (s->full)
        cf_paragraph(reply, CF("There are more ports than can be shown."));
}

static void page_button(cf_json *reply, cf_arena *arena, cf_text host, int64_t page, cf_text before, cf_text behind, bool numbered) {
    cf_text number = cf_decimal(arena, page);
    cf_text label = numbered ? cf_join(arena, 3, (cf_text[]){before, number, behind}) : before;
    cf_button_with(reply, label, "list", 2, (cf_text[]){CF("page"), number, CF("host"), host});
}

static void write_keyboard(cf_json *reply, cf_arena *arena, cf_text host, int64_t page, int64_t last) {
    cf_keyboard(reply);
    if (last > 1) {
        cf_text of = cf_join(arena, 2, (cf_text[]){CF("/"), cf_decimal(arena, last)});
        cf_text on = cf_join(arena, 2, (cf_text[]){of, CF(" ▶️")});
        cf_open(reply, '[');
        if (page > 1) page_button(reply, arena, host, page - 1, CF("◀️ "), of, true);
        if (page < last) page_button(reply, arena, host, page + 1, CF(""), on, true);
        cf_close(reply, ']');
    }
    cf_open(reply, '['), page_button(reply, arena, host, page, CF("🔄 Refresh"), CF(""), false), cf_close(reply, ']');
}

static int32_t show(survey *s, cf_text request, cf_text host, int64_t page) {
    int64_t ports, open;
    count_ports(s, &ports, &open);
    int64_t last = ports ? (ports + PAGE - 1) / PAGE : 1;
    page = page < 1 ? 1 : page > last ? last : page;

    cf_arena arena = cf_arena_of(scratch, sizeof scratch);
    cf_json reply = cf_reply_begin(&arena, 60 * 1024);
    cf_text running = counted(&s->words, s->running, CF("running container"));
    cf_text shown = ports ? counted(&s->words, ports, CF("published port")) : CF("No published ports");
    cf_text heading = cf_join(&s->words, 4, (cf_text[]){CF("🚪 "), shown, CF(", "), running});
    if (last > 1)
        heading = cf_join(&s->words, 5, (cf_text[]){heading, CF(", page "), cf_decimal(&s->words, page), CF(" of "), cf_decimal(&s->words, last)});
    cf_heading(&reply, heading);
    write_doubts(s, &reply, open);
    int64_t number = 0;
    for (size_t i = 0, next; i < s->count; i = next, number++) {
        for (next = i; next < s->count && same_port(&entries[i], &entries[next]);) next++;
        if (number / PAGE == page - 1) write_port(s, &reply, i, next);
    }
    cf_as_of(&reply, request);
    write_keyboard(&reply, &s->words, host, page, last);
    return cf_reply_end(&reply, COFFERDAM_OK);
}

/* Says why nothing can be shown, with a way to try again; what the user may not do
 * is the host's to tell. */
static int32_t away(cf_arena *arena, cf_text request, cf_text host, int32_t code, cf_text message) {
    if (code != COFFERDAM_UNAVAILABLE && code != COFFERDAM_TIMEOUT && code != COFFERDAM_LIMIT) return cf_refuse(arena, code, message);
    cf_json reply = cf_reply_begin(arena, 4096 + 6 * message.length);
    cf_paragraph(&reply, cf_join(arena, 2, (cf_text[]){CF("🔌 "), message.length ? message : CF("It is too much to be read.")}));
    cf_as_of(&reply, request);
    write_keyboard(&reply, arena, host, 1, 1);
    return cf_reply_end(&reply, COFFERDAM_OK);
}

COFFERDAM_HANDLE(length) {
    survey s = {.room = cf_arena_of(room, sizeof room), .words = cf_arena_of(words, sizeof words)};
    cf_text request = cf_request(&s.words, length), message = {NULL, 0}, host;
    if (!request.at) return COFFERDAM_LIMIT;
    cf_text args = cf_get(request, "args");
    int64_t page = 1;
    host = cf_get_string(&s.words, request, "text");
    if (cf_get(request, "action").at) {
        cf_parse_int(cf_get_string(&s.words, args, "page"), &page);
        host = cf_get_string(&s.words, args, "host");
    }
    if (host.length > HOST) return cf_refuse(&s.words, COFFERDAM_INVALID, CF("There is no Docker host of such a name. Send /ports alone for the first one."));
    int32_t code = look_around(&s, host, &message);
    return code == COFFERDAM_OK ? show(&s, request, host, page) : away(&s.words, request, host, code, message);
}

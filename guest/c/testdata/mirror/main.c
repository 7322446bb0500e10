/* mirror reads with every function that reads JSON, and writes what it read
 * with every function that writes it. */
#include <cofferdam.h>

static char room[512 * 1024];

COFFERDAM_HANDLE(length) {
    cf_arena arena = cf_arena_of(room, sizeof room);
    cf_text request = cf_request(&arena, length), element;
    if (!request.at) return COFFERDAM_LIMIT;
    cofferdam_log(COFFERDAM_LOG_INFO, request.at, (uint32_t)request.length);
    int64_t number = cf_get_int(request, "number", -1);
    cf_text list = cf_get(request, "list");

    cf_json reply = cf_json_in(&arena, 256 * 1024);
    cf_open(&reply, '{');
    cf_member(&reply, "text", cf_get_string(&arena, request, "text"));
    cf_member(&reply, "inner", cf_get_string(&arena, cf_get(cf_get(request, "outer"), "inn\"er"), "text"));
    cf_member_int(&reply, "number", number);
    cf_member(&reply, "size", cf_size(&arena, (uint64_t)number));
    cf_key(&reply, "same"), cf_put_bool(&reply, cf_same(cf_get(request, "text"), cf_get(request, "again")));
    cf_key(&reply, "list"), cf_open(&reply, '[');
    for (size_t at = 0; cf_next(list, &at, &element);) cf_put_string(&reply, element);
    cf_close(&reply, ']');
    cf_close(&reply, '}');
    if (reply.full) return COFFERDAM_LIMIT;
    cf_text whole = cf_json_text(&reply);
    return cofferdam_reply_write(whole.at, (uint32_t)whole.length);
}

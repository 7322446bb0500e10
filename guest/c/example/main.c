/* headroom says how much memory the machine has left, and whether something of
 * a given size would fit in: /headroom 2048 asks for 2,048 MiB. */
#include <cofferdam.h>

static char room[96 * 1024];

static const int64_t mib = 1024 * 1024;

/* What is asked for, in MiB: 0 is nothing, -1 is nonsense. A refreshing button
 * brings it along, a typed command has it behind its name. */
static int64_t wanted(cf_arena *arena, cf_text request, cf_text *typed) {
    int64_t amount;
    *typed = cf_get(request, "action").at ? cf_get_string(arena, cf_get(request, "args"), "mib")
                                          : cf_get_string(arena, request, "text");
    if (!typed->length) return 0;
    return cf_parse_int(*typed, &amount) && amount > 0 && amount <= 1 << 30 ? amount : -1;
}

static void verdict(cf_arena *arena, cf_json *reply, int64_t available, int64_t amount) {
    cf_text size = cf_size(arena, (uint64_t)(amount * mib));
    int64_t rest = available - amount * mib;
    cf_text left = cf_size(arena, (uint64_t)(rest < 0 ? -rest : rest));
    cf_field(reply, cf_join(arena, 2, (cf_text[]){CF("Room for "), size}),
             cf_join(arena, 3, (cf_text[]){rest < 0 ? CF("no, ") : CF("yes, "), left, rest < 0 ? CF(" are missing") : CF(" would be left")}));
}

static void refresh(cf_json *reply, int64_t amount, cf_text typed) {
    cf_keyboard(reply);
    cf_open(reply, '[');
    cf_button(reply, CF("🔄 Refresh"), "refresh");
    if (amount) {
        cf_key(reply, "args");
        cf_open(reply, '{'), cf_member(reply, "mib", typed), cf_close(reply, '}');
    }
    cf_close(reply, '}');
    cf_close(reply, ']');
}

COFFERDAM_HANDLE(length) {
    cf_arena arena = cf_arena_of(room, sizeof room);
    cf_text request = cf_request(&arena, length), typed, memory;
    if (!request.at) return COFFERDAM_LIMIT;

    int64_t amount = wanted(&arena, request, &typed);
    if (amount < 0)
        return cf_refuse(&arena, COFFERDAM_INVALID,
                         cf_join(&arena, 3, (cf_text[]){CF("“"), typed, CF("” is no number of MiB. Try /headroom 2048.")}));

    int32_t code = cf_result(&arena, cofferdam_metrics_memory_v1(CF_QUESTION("{}")), &memory);
    if (code != COFFERDAM_OK) return cf_refuse(&arena, code, cf_get_string(&arena, memory, "message"));
    int64_t available = cf_get_int(memory, "available", 0);
    cf_text swap = cf_get(memory, "swap");

    cf_json reply = cf_reply_begin(&arena, 4096);
    cf_heading(&reply, CF("🧠 Headroom"));
    cf_block(&reply, "fields", "fields");
    cf_field(&reply, CF("Available"), cf_size(&arena, (uint64_t)available));
    cf_field(&reply, CF("Total"), cf_size(&arena, (uint64_t)cf_get_int(memory, "total", 0)));
    cf_field(&reply, CF("Free swap"), cf_size(&arena, (uint64_t)cf_get_int(swap, "free", 0)));
    if (amount) verdict(&arena, &reply, available, amount);
    cf_block_end(&reply);
    refresh(&reply, amount, typed);
    return cf_reply_end(&reply, COFFERDAM_OK);
}

/* The module ports with a host of files: standard input has the request, the answer
 * to each list, and then the answers to all inspections, in turn, each behind its
 * length. The reply goes to standard output. */
#include "../ports/main.c"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 1024 };

static char *files[FILES];
static size_t lengths[FILES], count, next_file = 2, result;

static uint32_t copy(size_t file, void *to, uint32_t capacity) {
    size_t length = lengths[file];
    memcpy(to, files[file], length < capacity ? length : capacity);
    return (uint32_t)length;
}

int32_t cofferdam_request_read(void *to, uint32_t capacity) { return (int32_t)copy(0, to, capacity); }
int32_t cofferdam_result_read(void *to, uint32_t capacity) { return (int32_t)copy(result, to, capacity); }

int32_t cofferdam_reply_write(const void *reply, uint32_t length) {
    fwrite(reply, 1, length, stdout);
    return COFFERDAM_OK;
}

int64_t cofferdam_docker_container_list_v1(const void *question, uint32_t length) {
    (void)question, (void)length;
    return (int64_t)lengths[result = 1];
}

int64_t cofferdam_docker_container_inspect_v1(const void *question, uint32_t length) {
    (void)question, (void)length;
    if (next_file >= count) return (int64_t)COFFERDAM_NOT_FOUND << 32 | (int64_t)lengths[result = 0];
    return (int64_t)lengths[result = next_file++];
}

int main(void) {
    unsigned long length;
    while (count < FILES && scanf("%lu%*1[\n]", &length) == 1) {
        /* Exactly as long as it is, so that a look beyond it is seen. */
        files[count] = malloc(length ? length : 1);
        if (!files[count] || fread(files[count], 1, length, stdin) != length) return 2;
        lengths[count++] = length;
    }
    if (count < 2) return 2;
    int32_t code = cofferdam_handle((int32_t)lengths[0]);
    return code >= 0 && code <= COFFERDAM_INTERNAL ? 0 : 3;
}

// A plugin for qemu 7.2's user-mode emulation that counts the instructions an arm64 program executes,
// and among them those that multiply and add vectors. Written against version 1 of the interface,
// declared here as Debian ships no header for it.
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
typedef void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*ended)(qemu_plugin_id_t, void *);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, ended, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { ADD_U64 = 0 };

// What is counted: name, and mask and value of the instruction's 32 bits. All are on 128-bit vectors.
static struct {
    const char *name;
    uint32_t mask, value;
    uint64_t count;
} kinds[] = {
    {"all", 0, 0, 0},
    {"smmla", 0xffe0fc00, 0x4e80a400, 0},
    {"sdot", 0xffc0f400, 0x4f80e000, 0},
    {"sadalp", 0xfffffc00, 0x4e606800, 0},
    {"fmla_by_element", 0xffc0f400, 0x4f801000, 0},
    {"fmla", 0xffe0fc00, 0x4e20cc00, 0},
    {"load_or_store", 0x0a000000, 0x08000000, 0},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

// A block of instructions is counted whole each time it is entered.
static void count(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    size_t instructions = qemu_plugin_tb_n_insns(block);
    for (int kind = 0; kind < KINDS; kind++) {
        uint64_t of_kind = 0;
        for (size_t i = 0; i < instructions; i++) {
            const void *data = qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i));
            of_kind += (*(const uint32_t *)data & kinds[kind].mask) == kinds[kind].value;
        }
        if (of_kind)
            qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &kinds[kind].count, of_kind);
    }
}

// One line at the end, as JSON.
static void print(qemu_plugin_id_t id, void *data) {
    (void)id, (void)data;
    fprintf(stderr, "counted {");
    for (int kind = 0; kind < KINDS; kind++)
        fprintf(stderr, "%s\"%s\": %" PRIu64, kind ? ", " : "", kinds[kind].name, kinds[kind].count);
    fprintf(stderr, "}\n");
}

__attribute__((visibility("default"))) int qemu_plugin_install(
    qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, count);
    qemu_plugin_register_atexit_cb(id, print, NULL);
    return 0;
}

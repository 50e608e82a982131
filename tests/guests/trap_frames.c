/* One NtWriteFile through each gate with every register known.  What is written is what the
 * caller had: a REGISTERS for each call.  An NtYieldExecution before each call leaves the trap
 * frame to whoever watches.
 */
#include "nt.h"

typedef struct {
    ULONG eax, ebx, esi, edi, ebp, edx, esp, eip, eflags, fs, ecx;
} REGISTERS;

typedef void CALL(ULONG number);

REGISTERS before, after;
IO_STATUS_BLOCK status_block;
HANDLE output;
ULONG saved_esp, user_fs;

/* ecx = number.  The nine arguments, the way KiSystemService finds them, and the registers. */
#define PREPARE                                                                          \
    "pushal\n\t"                                                                         \
    "movl %esp, _saved_esp\n\t"                                                          \
    "pushl $0\n\tpushl $0\n\tpushl $44\n\tpushl $_before\n\tpushl $_status_block\n\t"    \
    "pushl $0\n\tpushl $0\n\tpushl $0\n\tpushl _output\n\t"
#define LOAD                                                                             \
    "movl %ecx, _before+40\n\tmovl %edx, _before+20\n\tmovl %esp, _before+24\n\t"                                 \
    "movl %ecx, %eax\n\tmovl %eax, _before\n\t"                                          \
    "movl $0xb0b0b0b0, %ebx\n\tmovl %ebx, _before+4\n\t"                                 \
    "movl $0x51515151, %esi\n\tmovl %esi, _before+8\n\t"                                 \
    "movl $0xd1d1d1d1, %edi\n\tmovl %edi, _before+12\n\t"                                \
    "movl $0xbbbbbbbb, %ebp\n\tmovl %ebp, _before+16\n\t"                                \
    "movw _user_fs, %fs\n\tmovl $0, _before+36\n\tmovw %fs, _before+36\n\t"              \
    "pushl $0xcd7\n\tpopfl\n\tpushfl\n\tpopl _before+32\n\t"
#define KEEP                                                                             \
    "movl %ecx, _after+40\n\tmovl %edx, _after+20\n\t"                                   \
    "movl %eax, _after\n\tmovl %ebx, _after+4\n\tmovl %esi, _after+8\n\t"                \
    "movl %edi, _after+12\n\tmovl %ebp, _after+16\n\tmovl %esp, _after+24\n\t"           \
    "pushfl\n\tpopl _after+32\n\tcld\n\t"                                                \
    "movl $0, _after+36\n\tmovw %fs, _after+36\n\t"                                      \
    "movl $0x3b, %eax\n\tmovw %ax, %fs\n\t"                                              \
    "movl _saved_esp, %esp\n\tpopal\n\tret"

/* esp is not edx at the gate: the frame has edx. */
static __attribute__((naked, noinline)) void by_sysenter(ULONG number)
{
    __asm__("movl 4(%esp), %ecx\n\t" PREPARE
            "pushl $0\n\tpushl $_sysenter_return\n\t"
            "movl %esp, %edx\n\tsubl $64, %esp\n\t" LOAD
            "movl $_sysenter_return, _before+28\n\t"
            "sysenter\n"
            "_sysenter_return:\n\t" KEEP);
}

static __attribute__((naked, noinline)) void by_interrupt(ULONG number)
{
    __asm__("movl 4(%esp), %ecx\n\t" PREPARE
            "movl %esp, %edx\n\tsubl $64, %esp\n\t" LOAD
            "movl $_interrupt_return, _before+28\n\t"
            "int $0x2e\n"
            "_interrupt_return:\n\t" KEEP);
}

/* sysexit brings the caller back from both: edx = eip, ecx = esp. */
static void try(CALL *call, ULONG number, ULONG fs, ULONG expected_fs)
{
    user_fs = fs;
    NtYieldExecution();
    call(number);
    CHECK_EQUAL(after.eax, STATUS_SUCCESS);
    CHECK_EQUAL(after.ebx, before.ebx);
    CHECK_EQUAL(after.esi, before.esi);
    CHECK_EQUAL(after.edi, before.edi);
    CHECK_EQUAL(after.ebp, before.ebp);
    CHECK_EQUAL(after.fs, expected_fs);
    CHECK_EQUAL(after.ecx, call == by_sysenter ? before.edx : before.esp);
    CHECK_EQUAL(after.edx, call == by_sysenter ? 0x7c92e4f4 : before.eip);
    CHECK_EQUAL(after.esp, call == by_sysenter ? before.edx + 4 : before.esp);
    CHECK_EQUAL(after.eflags, before.eflags);
    CHECK_EQUAL(status_block.Information, sizeof before);
}

void start(void)
{
    static const ULONG high_bits[] = {0, 0x80000000, 0xffffc000, 0x0badc000};
    ULONG number = SERVICE_NUMBER(NtWriteFile);
    output = NtCurrentPeb()->ProcessParameters->StandardOutput;
    for (ULONG i = 0; i < sizeof high_bits / sizeof *high_bits; i++) {
        try(by_sysenter, high_bits[i] | number, 0x3b, 0x3b);
        try(by_interrupt, high_bits[i] | number, 0x3b, 0x3b);
    }
    try(by_sysenter, number, 0, 0x3b);
    try(by_interrupt, number, 0, 0);
    exit_process(failures);
}

"""What is in memory before the first instruction.

Enters: an empty machine and the size of its memory.  Leaves: GDT, IDT, TSS, KPCR, the MSRs,
SharedUserData and the nt image, all in guest memory at XP's addresses.
"""

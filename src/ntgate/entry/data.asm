; What the entry code and the kernel keep in nt's data section.  The service tables stand
; behind it; boot generates their text from the service numbers.

;@org 80553000h
MmUserProbeAddress:
        .long   7FFF0000h
MmHighestUserAddress:
        .long   7FFEFFFFh
MmSystemRangeStart:
        .long   80000000h
KeGdiFlushUserBatch:
        .long   NtGdiFlushUserBatch
KeNumberProcessors:
        .long   1
NtBuildNumber:
        .long   0F0000A28h                      ; 2600, free build
KeTickCount:
        .long   0, 0, 0
PsActiveProcessHead:
        .long   PsActiveProcessHead, PsActiveProcessHead
PsLoadedModuleList:
        .long   PsLoadedModuleList, PsLoadedModuleList
KiProcessorBlock:
        .long   0FFDFF120h
        .fill   31, 4, 0
PsInitialSystemProcess:
        .long   0
PsIdleProcess:
        .long   0
PspCidTable:
        .long   0
ObpRootDirectoryObject:
        .long   0
ObpObjectTypes:
        .fill   64, 4, 0
ObpDefaultObject:
        .fill   4, 4, 0
HandleTableListHead:
        .long   HandleTableListHead, HandleTableListHead
PsProcessType:
        .long   0
PsThreadType:
        .long   0
IoFileObjectType:
        .long   0
MmPfnDatabase:
        .long   0
KiDispatcherReadyListHead:
        .fill   64, 4, 0
KiReadySummary:
        .long   0
KdDebuggerEnabled:
        .byte   0
KdDebuggerNotPresent:
        .byte   1
KdBreakPending:
        .byte   0                               ; break when the next thread starts
        .balign 4, 0
ExpDefaultErrorPort:
        .long   0
ExpDefaultErrorPortProcess:
        .long   0
KiProfileListHead:
        .long   KiProfileListHead, KiProfileListHead
KiProfileInterval:
        .long   156250                          ; 100 ns
        .balign 16, 0

; The tasks of vectors 2 and 8.  boot fills in CR3.
        .balign 16, 0
KiDoubleFaultTSS:
        .fill   7, 4, 0
        .long   0, KiTrap08, 0                  ; CR3, Eip, EFlags
        .fill   4, 4, 0
        .long   KiDoubleFaultStackTop           ; Esp
        .fill   3, 4, 0
        .long   23h, 8, 10h, 23h, 30h, 0        ; Es, Cs, Ss, Ds, Fs, Gs
        .long   0, 20AC0000h
KiNMITSS:
        .fill   7, 4, 0
        .long   0, KiTrap02, 0
        .fill   4, 4, 0
        .long   KiDoubleFaultStackTop
        .fill   3, 4, 0
        .long   23h, 8, 10h, 23h, 30h, 0
        .long   0, 20AC0000h
KiDoubleFaultStack:
        .fill   400h, 4, 0
KiDoubleFaultStackTop:
        .long   0

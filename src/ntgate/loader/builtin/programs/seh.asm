; A write to address 0.  The handler of the frame at fs:[0] moves eip behind the instruction.
;@org 401000h
Start:
        lea     eax, [Handler]
        push    eax
        push    dword ptr fs:[0]
        mov     fs:[0], esp
        xor     ecx, ecx
        mov     [ecx], ecx
Resumed:
        pop     dword ptr fs:[0]
        add     esp, 4
        @write NtWriteFile
        @leave

; (record, frame, context, dispatcher context), cdecl.
Handler:
        mov     edx, [esp+4]
        mov     eax, 1                          ; ExceptionContinueSearch
        cmp     dword ptr [edx], 0C0000005h
        jne     handler_done
        mov     edx, [esp+0Ch]
        lea     ecx, [Resumed]
        mov     [edx+CONTEXT.Eip], ecx
        xor     eax, eax                        ; ExceptionContinueExecution
handler_done:
        ret

;@org 402000h
Text:
        .ascii  "handled an access violation\n"
TextEnd:
        .byte   0
StatusBlock:
        .long   0, 0

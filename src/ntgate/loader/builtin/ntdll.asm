; What the kernel calls in ring 3, at XP's addresses, and as much behind it as native programs
; without a C runtime need.  The stubs of the services are laid out beside it (images.py).

;@org 7c92e450h
; [esp] NormalRoutine, NormalContext, two arguments, CONTEXT.
KiUserApcDispatcher:
        lea     edi, [esp+10h]
        pop     eax
        call    eax
        push    1
        push    edi
        call    NtContinue

;@org 7c92e460h
; No callback is made without win32k's windows.
KiUserCallbackDispatcher:
        push    0C0000002h
        push    0
        push    0
        call    NtCallbackReturn

;@org 7c92e47ch
; [esp] EXCEPTION_RECORD *, CONTEXT *.
KiUserExceptionDispatcher:
        cld
        mov     ecx, [esp+4]
        mov     ebx, [esp]
        push    ecx
        push    ebx
        call    RtlDispatchException
        pop     ebx
        pop     ecx
        test    al, al
        jz      exception_unhandled
        push    0
        push    ecx
        call    NtContinue
exception_unhandled:
        push    0                               ; FirstChance
        push    ecx
        push    ebx
        call    NtRaiseException

;@org 7c92e4f0h
KiFastSystemCall:
        mov     edx, esp
        sysenter
KiFastSystemCallRet:
        ret

;@org 7c92e500h
KiIntSystemCall:
        lea     edx, [esp+8]
        int     2Eh
        ret

;@org 7c930000h
; The kernel starts each thread here: [esp+4] = CONTEXT of the thread.
LdrInitializeThunk:
        mov     eax, [esp+4]
        push    1
        push    eax
        call    NtContinue

; eax = the thread's routine, ebx = its argument.  What it returns is the exit status.
RtlUserThreadStart:
        push    ebx
        call    eax
        push    eax
        push    -2
        call    NtTerminateThread

; (record, context) -> al: whether a handler has put the CONTEXT right.
RtlDispatchException:
        push    ebp
        mov     ebp, esp
        push    0                               ; DispatcherContext
        push    esi
        push    edi
        push    ebx
        mov     esi, fs:[0]
dispatch_next:
        cmp     esi, -1
        je      dispatch_none
        cmp     esi, fs:[8]                     ; StackLimit
        jb      dispatch_none
        lea     eax, [esi+8]
        cmp     eax, fs:[4]                     ; StackBase
        ja      dispatch_none
        test    esi, 3
        jnz     dispatch_none
        lea     eax, [ebp-4]
        push    eax
        push    dword ptr [ebp+0Ch]
        push    esi
        push    dword ptr [ebp+8]
        call    dword ptr [esi+4]
        add     esp, 10h
        test    eax, eax                        ; ExceptionContinueExecution
        jz      dispatch_continue
        mov     esi, [esi]
        jmp     dispatch_next
dispatch_continue:
        mov     ecx, [ebp+8]
        test    byte ptr [ecx+4], 1             ; EXCEPTION_NONCONTINUABLE
        jnz     dispatch_none
        mov     al, 1
        jmp     dispatch_done
dispatch_none:
        xor     eax, eax
dispatch_done:
        pop     ebx
        pop     edi
        pop     esi
        mov     esp, ebp
        pop     ebp
        ret     8

DbgBreakPoint:
        int3
        ret

DbgUserBreakPoint:
        int3
        ret

; The C functions that compilers call and native programs need, cdecl.  Symbols begin with a
; capital letter here: the C_ falls away when the image is built.
C_strlen:
        mov     ecx, [esp+4]
        mov     eax, ecx
strlen_next:
        cmp     byte ptr [eax], 0
        je      strlen_done
        inc     eax
        jmp     strlen_next
strlen_done:
        sub     eax, ecx
        ret

; (target, source, size) -> target.  Overlapping is allowed in both, as in XP's ntdll.
C_memcpy:
C_memmove:
        push    esi
        push    edi
        mov     edi, [esp+0Ch]
        mov     esi, [esp+10h]
        mov     ecx, [esp+14h]
        mov     eax, edi
        mov     edx, edi
        sub     edx, esi
        cmp     edx, ecx
        jb      move_backwards
        .byte   0F3h, 0A4h                      ; rep movsb
        jmp     move_done
move_backwards:
        lea     esi, [esi+ecx-1]
        lea     edi, [edi+ecx-1]
        std
        .byte   0F3h, 0A4h
        cld
move_done:
        pop     edi
        pop     esi
        ret

; (target, value, size) -> target
C_memset:
        push    edi
        mov     edi, [esp+8]
        mov     eax, [esp+0Ch]
        mov     ecx, [esp+10h]
        .byte   0F3h, 0AAh                      ; rep stosb
        mov     eax, [esp+8]
        pop     edi
        ret

; (left, right, size) -> the first difference, left - right
C_memcmp:
        push    esi
        push    edi
        mov     esi, [esp+0Ch]
        mov     edi, [esp+10h]
        mov     ecx, [esp+14h]
        xor     eax, eax
        cmp     eax, eax                        ; size 0: equal
        .byte   0F3h, 0A6h                      ; repe cmpsb
        je      compare_done
        movzx   eax, byte ptr [esi-1]
        movzx   ecx, byte ptr [edi-1]
        sub     eax, ecx
compare_done:
        pop     edi
        pop     esi
        ret

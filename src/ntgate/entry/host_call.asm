; From the kernel to the host that runs this machine, and back.
;
; Every routine of the nt image that is written in Python is a stub:
;       mov edi,edi / push ebp / mov ebp,esp / mov eax,ID / call KiCallHost / pop ebp / ret n
; The host finds the arguments at KiHostFrame+8.  It honours the port only while KiHostOpen
; holds the ID that is written to the port: ring 3 can't write there, and nothing can come
; between the two instructions with interrupts off.
;
; The host's reply: 0 done; 1 wait: let other threads run, then ask again; 2 flush: drop the
; page of KiHostArgument from the TLB, then done; 3 flush all, then done; 4 leave: the frame at
; KiHostArgument replaces this stack, with the FX save area of the thread (NtContinue).

;@org 80541000h
KiCallHost:
        push    eax
        pushfd
        cli
call_again:
        mov     [KiHostFrame], ebp
        mov     [KiHostOpen], eax
        out     0E9h, eax
        mov     ecx, [KiHostReply]
        test    ecx, ecx
        jnz     call_reply
call_done:
        mov     eax, [KiHostStatus]
        popfd
        lea     esp, [esp+4]
        ret
call_reply:
        mov     dword ptr [KiHostReply], 0
        dec     ecx
        jz      call_wait
        dec     ecx
        jz      call_flush_page
        dec     ecx
        jz      call_flush_all
        mov     ebp, [KiHostArgument]
        mov     esp, ebp
        mov     ecx, fs:[KPCR.PrcbData.CurrentThread]
        mov     ecx, [ecx+KTHREAD.InitialStack]
        fxrstor [ecx-210h]
        jmp     KiServiceExit2
call_flush_page:
        mov     ecx, [KiHostArgument]
        invlpg  [ecx]
        jmp     call_done
call_flush_all:
        mov     ecx, cr3
        mov     cr3, ecx
        jmp     call_done
call_wait:
        call    KiSwapThread
        mov     eax, [esp+4]
        jmp     call_again

; The same for services that read or load a CONTEXT: the FPU state goes to the FX save area.
KiCallHostWithNpx:
        mov     ecx, fs:[KPCR.PrcbData.CurrentThread]
        mov     ecx, [ecx+KTHREAD.InitialStack]
        fxsave  [ecx-210h]
        jmp     KiCallHost

"""The numbers of windows: messages, styles, keys, from the public headers (winuser.h)."""

WM_CREATE          = 0x0001
WM_DESTROY         = 0x0002
WM_MOVE            = 0x0003
WM_SIZE            = 0x0005
WM_ACTIVATE        = 0x0006
WM_SETFOCUS        = 0x0007
WM_KILLFOCUS       = 0x0008
WM_SETTEXT         = 0x000C
WM_GETTEXT         = 0x000D
WM_GETTEXTLENGTH   = 0x000E
WM_PAINT           = 0x000F
WM_CLOSE           = 0x0010
WM_QUERYENDSESSION = 0x0011
WM_QUIT            = 0x0012
WM_QUERYOPEN       = 0x0013
WM_ERASEBKGND      = 0x0014
WM_NCCREATE        = 0x0081
WM_NCDESTROY       = 0x0082
WM_NCCALCSIZE      = 0x0083
WM_COMMAND         = 0x0111
WM_TIMER           = 0x0113
WM_USER            = 0x0400  # here numbers begin that each program has for itself
WM_REGISTERED      = 0xC000  # and here those that RegisterWindowMessage gives

CS_VREDRAW     = 0x0000_0001
CS_HREDRAW     = 0x0000_0002
CS_DBLCLKS     = 0x0000_0008
CS_PARENTDC    = 0x0000_0080
CS_SAVEBITS    = 0x0000_0800
CS_GLOBALCLASS = 0x0000_4000
CS_DROPSHADOW  = 0x0002_0000

WS_MAXIMIZEBOX, WS_MINIMIZEBOX = 0x0001_0000, 0x0002_0000
WS_THICKFRAME, WS_SYSMENU, WS_CAPTION = 0x0004_0000, 0x0008_0000, 0x00C0_0000
WS_CLIPCHILDREN = 0x0200_0000
WS_CLIPSIBLINGS = 0x0400_0000
WS_EX_ACCEPTFILES, WS_EX_WINDOWEDGE = 0x10, 0x100
WS_DISABLED = 0x0800_0000
WS_VISIBLE  = 0x1000_0000
WS_CHILD    = 0x4000_0000
WS_POPUP    = 0x8000_0000

# Virtual keys; letters and digits have the codes of their characters.
VK_BACK    = 0x08
VK_TAB     = 0x09
VK_RETURN  = 0x0D
VK_SHIFT   = 0x10
VK_CONTROL = 0x11
VK_MENU    = 0x12
VK_ESCAPE  = 0x1B
VK_END     = 0x23
VK_HOME    = 0x24
VK_LEFT    = 0x25
VK_UP      = 0x26
VK_RIGHT   = 0x27
VK_DOWN    = 0x28
VK_INSERT  = 0x2D
VK_DELETE  = 0x2E
VK_F8      = 0x77

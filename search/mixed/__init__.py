"""Mixed precision by search: which scheme each layer gets under limits of hardware, by measured losses and
the compiler's prices."""

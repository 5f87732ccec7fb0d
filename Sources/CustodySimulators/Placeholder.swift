// CustodySimulators

"""A generated design on a system's bus: AXI4-Lite registers, aclk and aresetn, packages for the vendors'
tools."""

"""Running trained heads on IonQ's machines."""

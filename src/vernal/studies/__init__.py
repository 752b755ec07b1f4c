"""Studies that stand on everything else and that nothing needs: features, audit, published."""
